import type { DataType } from './buffer.js'
import type { Cost } from './cost.js'
import { type Operation, writes } from './operation.js'
import { getBuffer, type Program } from './program.js'

/** What a device does in a second at most. */
export interface Rates {
  readonly readBytes: number
  /** By what weights are stored as; what is not known is missing. */
  readonly operations: Partial<Readonly<Record<DataType, number>>>
}

export interface Roofline {
  /** The least time that the work can take. */
  readonly nanoseconds: number
  readonly bound: 'memory' | 'arithmetic'
}

/**
 * The time to move an operation's bytes or to do its arithmetic, whichever is longer (Williams, Waterman and Patterson
 * 2009). `dtype` says which arithmetic; where its rate is not known, only bytes count.
 */
export function rooflineOf({ bytesRead, bytesWritten, flops }: Cost, dtype: DataType, rates: Rates): Roofline {
  const memory = ((bytesRead + bytesWritten) / rates.readBytes) * 1e9
  const rate = rates.operations[dtype]
  const arithmetic = rate === undefined ? 0 : (flops / rate) * 1e9
  return memory >= arithmetic
    ? { nanoseconds: memory, bound: 'memory' }
    : { nanoseconds: arithmetic, bound: 'arithmetic' }
}

/** What an operation computes in: its weights' storage, or its result's type where it has none. */
export function arithmeticOf(program: Program, op: Operation): DataType {
  if (op.kind === 'linear' || op.kind === 'logits') return getBuffer(program, op.weight).dtype
  if (op.kind === 'moe') return getBuffer(program, op.up).dtype
  const [out] = writes(op)
  return out === undefined ? 'f32' : getBuffer(program, out).dtype
}
