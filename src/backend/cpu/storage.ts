import { WarplineError } from '../../errors.js'
import type { Buffer, DataType, Ref } from '../../program/buffer.js'
import type { Attention, Operation, QkvToCache } from '../../program/operation.js'
import { getBuffer, type Program } from '../../program/program.js'
import { CACHE, type CacheStorage, type Storage } from './abi.js'

/**
 * How a matrix of a storage type is packed. INT8 has one scale a channel, INT4 one for 32 inputs, unless the type
 * says how many inputs share one. Where the program stores INT4, the matrices whose errors cost most are INT8 in groups of 32: what makes logits (and a tied embedding), what follows
 * attention, and the first layer. Without them TinyStories' 15M model loses 5.5 % of its mean log-likelihood, as it does with
 * GGUF's Q4_0; with them 3.5 %, for 8 % more bytes in a model of 22 layers.
 */
export function packingOf(program: Program, { name, dtype }: Buffer): Storage {
  switch (dtype) {
    case 'f32':
    case 'bf16':
    case 'f16':
    case 'int8':
      return dtype
    case 'int8-g32':
      return 'int8Group32'
    case 'int4':
      return isSensitive(program, name) ? 'int8Group32' : 'int4Group32'
    case 'int4-g128':
      return isSensitive(program, name) ? 'int8Group32' : 'int4Group128'
    default:
      throw unsupported(dtype, name)
  }
}

export function cacheStorage({ name, dtype }: Buffer): CacheStorage {
  if (dtype in CACHE) return dtype as CacheStorage
  throw unsupported(dtype, name)
}

/** Everything between operations is f32; so are vectors and tables of positions. */
export function requireFloat32(program: Program, ref: Ref): void {
  const { dtype, name } = getBuffer(program, ref)
  if (dtype !== 'f32') throw unsupported(dtype, name)
}

function isSensitive({ operations }: Program, weight: Ref): boolean {
  const attended = new Set(operations.filter(({ kind }) => kind === 'attention').map((op) => (op as Attention).out))
  const endOfFirst = endOfFirstLayer(operations)
  return operations.some((op, i) => {
    if (op.kind === 'logits') return op.weight === weight
    if (op.kind === 'moe') return i < endOfFirst && [op.router, op.up, op.down].includes(weight)
    return op.kind === 'linear' && op.weight === weight && (i < endOfFirst || attended.has(op.x))
  })
}

/** Where the products of the second layer's queries, keys and values begin; 0 where there is no second layer. */
function endOfFirstLayer(operations: readonly Operation[]): number {
  const second = operations.filter(({ kind }) => kind === 'qkv-to-cache')[1] as QkvToCache | undefined
  if (!second) return 0
  const made = new Set([second.q.buffer, second.k.buffer, second.v.buffer])
  return operations.findIndex((op) => op.kind === 'linear' && made.has(op.out))
}

function unsupported(dtype: DataType, name: Ref): WarplineError {
  return new WarplineError('storage-unsupported', `the cpu backend does not store ${name} as ${dtype}`)
}
