import { WarplineError } from '../../errors.js'
import type { DataType } from '../../program/buffer.js'
import { bf16ToFloat32, f16ToFloat32, float32ToBf16, float32ToF16 } from '../../weights/dtype.js'

/** Rounds float32 values in place to what a storage type can hold: this backend keeps every number as float32. */
export type Rounding = (values: Float32Array) => void

const roundings: Partial<Record<DataType, Rounding>> = {
  f32: () => {},
  bf16: (values) => void bf16ToFloat32(float32ToBf16(values), values),
  f16: (values) => void f16ToFloat32(float32ToF16(values), values),
}

export function roundingOf(dtype: DataType, buffer: string): Rounding {
  const rounding = roundings[dtype]
  if (rounding) return rounding
  const known = Object.keys(roundings).join(', ')
  throw new WarplineError(
    'storage-unsupported',
    `the reference backend does not store ${dtype} (${buffer}); choose one of ${known}`,
  )
}
