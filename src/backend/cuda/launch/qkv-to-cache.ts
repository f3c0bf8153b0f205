import { WarplineError } from '../../../errors.js'
import type { Ref, Slice } from '../../../program/buffer.js'
import type { HeadNorm, QkvToCache } from '../../../program/operation.js'
import { struct, type Values } from '../../structs.js'
import { HEAD_NORM, type KernelType, TYPE_BYTES } from '../codes.js'
import { type Address, ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'

export const QKV_PARAMS = struct({
  q: 'pointer',
  k: 'pointer',
  v: 'pointer',
  q_weight: 'pointer',
  q_bias: 'pointer',
  k_weight: 'pointer',
  k_bias: 'pointer',
  frequencies: 'pointer',
  positions: 'pointer',
  lengths: 'pointer',
  slots: 'pointer',
  key_cache: 'pointer',
  value_cache: 'pointer',
  out: 'pointer',
  q_stride: 'i32',
  k_stride: 'i32',
  v_stride: 'i32',
  out_stride: 'i32',
  heads: 'i32',
  kv_heads: 'i32',
  head_dim: 'i32',
  block_shift: 'i32',
  rotary_dim: 'i32',
  interleaved: 'i32',
  q_norm: 'i32',
  k_norm: 'i32',
  group: 'i32',
  heads_per_block: 'i32',
  original: 'i32',
  q_epsilon: 'f32',
  k_epsilon: 'f32',
  rotary_scale: 'f32',
  theta: 'f32',
  factor: 'f32',
})

const THREADS = 128
const LARGEST_HEAD = 256

/** One block a token and a part of its heads: so many parts that few tokens, too, spread over the device. */
export function qkvToCacheLaunches(op: QkvToCache, at: Places, sizes: StepSizes): Launch[] {
  const type = cacheType(op, at)
  const vector = vectorOf(op, type, at)
  const group = vector === 1 ? 32 : powerOfTwo(ceilDiv(op.headDim, 2 * vector))
  const atOnce = THREADS / group
  const units = op.heads + 2 * op.kvHeads
  const rounds = ceilDiv(units, atOnce)
  // A block computes its angles once: let it go through several rounds of heads where there are blocks enough.
  const rounded = Math.max(1, Math.min(rounds, Math.floor((sizes.tokens * rounds) / (8 * at.device.multiprocessors))))
  const parameters: Values<typeof QKV_PARAMS.fields> = {
    ...qkvParameters(op, at),
    group,
    heads_per_block: rounded * atOnce,
  }
  return [
    {
      module: 'qkv-to-cache',
      kernel: `qkv_to_cache${vector === 1 ? '_single' : ''}_${type}`,
      grid: [sizes.tokens, ceilDiv(units, rounded * atOnce), 1],
      threads: THREADS,
      parameters: parametersOf(QKV_PARAMS, parameters),
    },
  ]
}

/** What does not depend on how the work is divided. */
export function qkvParameters(op: QkvToCache, at: Places): Values<typeof QKV_PARAMS.fields> {
  const { rotary, queryNorm, keyNorm } = op
  const [q, k, v] = [op.q, op.k, op.v].map((slice) => columns(slice, at)) as [Columns, Columns, Columns]
  return {
    ...{ q: q.address, k: k.address, v: v.address, q_stride: q.stride, k_stride: k.stride, v_stride: v.stride },
    q_weight: optional(queryNorm?.weight, at),
    q_bias: optional(queryNorm?.bias, at),
    k_weight: optional(keyNorm?.weight, at),
    k_bias: optional(keyNorm?.bias, at),
    frequencies: optional(rotary?.frequencies, at),
    positions: at.of(op.positions),
    lengths: optional(rotary?.dynamic?.lengths, at),
    slots: at.of(op.slots),
    key_cache: at.of(op.keyCache),
    value_cache: at.of(op.valueCache),
    out: at.of(op.out),
    out_stride: at.widthOf(op.out),
    ...{ heads: op.heads, kv_heads: op.kvHeads, head_dim: op.headDim },
    block_shift: Math.log2(at.blockSize),
    rotary_dim: rotary?.dim,
    interleaved: rotary?.pairs === 'interleaved' ? 1 : 0,
    q_norm: normKind(queryNorm),
    k_norm: normKind(keyNorm),
    q_epsilon: queryNorm?.epsilon,
    k_epsilon: keyNorm?.epsilon,
    rotary_scale: rotary?.scale,
    ...{ theta: rotary?.dynamic?.theta, factor: rotary?.dynamic?.factor, original: rotary?.dynamic?.original },
  }
}

/** The one type of activations and caches, and the sizes that kernels can take, checked. */
export function cacheType(op: Pick<QkvToCache, 'keyCache' | 'valueCache' | 'headDim' | 'out'>, at: Places): KernelType {
  const type = at.typeOf(op.out)
  for (const cache of [op.keyCache, op.valueCache]) {
    if (at.typeOf(cache) !== type) {
      const problem = `${cache} is ${at.typeOf(cache)} and ${op.out} ${type}`
      throw new WarplineError('program-invalid', `${problem}; on CUDA caches and activations have one type`)
    }
  }
  if (op.headDim > LARGEST_HEAD) {
    throw new WarplineError('program-invalid', `heads have ${op.headDim} elements; CUDA takes up to ${LARGEST_HEAD}`)
  }
  return type
}

/** Elements that a lane loads at a time: 16 bytes where everything is a multiple of that, else one. */
function vectorOf(op: QkvToCache, type: KernelType, at: Places): number {
  const vector = 16 / TYPE_BYTES[type]
  const slices = [op.q, op.k, op.v].flatMap(({ buffer, offset }) => [offset, at.widthOf(buffer)])
  const aligned = [...slices, at.widthOf(op.out)].every((count) => count % vector === 0)
  const half = op.rotary?.pairs === 'half' ? op.rotary.dim / 2 : 0
  return aligned && op.headDim % (2 * vector) === 0 && half % vector === 0 ? vector : 1
}

interface Columns {
  readonly address: Address
  readonly stride: number
}

function columns({ buffer, offset }: Slice, at: Places): Columns {
  return { address: at.of(buffer) + BigInt(offset * TYPE_BYTES[at.typeOf(buffer)]), stride: at.widthOf(buffer) }
}

function normKind(norm: HeadNorm | undefined): number {
  return norm ? HEAD_NORM[norm.norm] : 0
}

function optional(ref: Ref | undefined, at: Places): Address | undefined {
  return ref === undefined ? undefined : at.of(ref)
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(least))
}
