import type { DataType } from '../program/buffer.js'

/** Mantissa bits, the leading one included. */
const PRECISION: Partial<Record<DataType, number>> = { bf16: 8, f16: 11 }

/**
 * The nearest number of a storage type, ties to even, for values within its normal range. Types without a precision of
 * their own (integers with scales) count as float32.
 */
export function roundTo(type: DataType, value: number): number {
  const precision = PRECISION[type]
  if (precision === undefined || value === 0) return Math.fround(value)
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) + 1 - precision)
  const steps = value / step
  const below = Math.floor(steps)
  const rest = steps - below
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0)
  return (up ? below + 1 : below) * step
}
