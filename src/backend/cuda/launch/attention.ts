import type { Attention, QkvToCache } from '../../../program/operation.js'
import { struct, type Values } from '../../structs.js'
import type { KernelType } from '../codes.js'
import { planDecode } from './decode-plan.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'
import { cacheType } from './qkv-to-cache.js'

export const ATTENTION_PARAMS = struct({
  q: 'pointer',
  keys: 'pointer',
  values: 'pointer',
  alibi: 'pointer',
  query_starts: 'pointer',
  context_lengths: 'pointer',
  block_tables: 'pointer',
  out: 'pointer',
  partials: 'pointer',
  sequences: 'i32',
  heads: 'i32',
  kv_heads: 'i32',
  head_dim: 'i32',
  q_stride: 'i32',
  out_stride: 'i32',
  table_stride: 'i32',
  block_shift: 'i32',
  window: 'i32',
  splits: 'i32',
  split_keys: 'i32',
  skip_single: 'i32',
  scale: 'f32',
  soft_cap: 'f32',
  alibi_scale: 'f32',
})

export type AttentionParameters = Values<typeof ATTENTION_PARAMS.fields>

/** Head sizes that tensor-core kernels are compiled for; others are padded to the next one. */
const HEADS = [32, 64, 96, 128, 160, 192, 256] as const
type Head = (typeof HEADS)[number]

/** Warps, and tiles of 16 keys in each warp's ring, of native/cuda/attention/decode.cu. */
const DECODE_SHAPES: Readonly<Record<Head, { readonly warps: number; readonly stages: number }>> = {
  32: { warps: 4, stages: 4 },
  64: { warps: 4, stages: 4 },
  96: { warps: 4, stages: 3 },
  128: { warps: 4, stages: 3 },
  160: { warps: 4, stages: 2 },
  192: { warps: 4, stages: 2 },
  256: { warps: 2, stages: 2 },
}
const ROWS = 16
const TILE_KEYS = 16

/** Which kernels a step's attention takes: one for sequences of one query, one for all others, or one for both. */
export function attentionLaunches(op: Attention, at: Places, sizes: StepSizes): Launch[] {
  const type = cacheType(op, at)
  const parameters = attentionParameters(op, at, sizes)
  const head = tensorCoreHead(op, type)
  if (head === undefined) return [generic(op, type, parameters, sizes)]
  if (sizes.longestQuery === 1) return decode(op, type, head, parameters, at, sizes)
  const mayHaveSingles = sizes.sequences > 1 && sizes.tokens < sizes.sequences * sizes.longestQuery
  if (!mayHaveSingles) return [prompt(op, type, head, parameters, sizes)]
  return [
    prompt(op, type, head, { ...parameters, skip_single: 1 }, sizes),
    ...decode(op, type, head, parameters, at, sizes),
  ]
}

function attentionParameters(op: Attention, at: Places, sizes: StepSizes): AttentionParameters {
  return {
    q: at.of(op.q),
    keys: at.of(op.keyCache),
    values: at.of(op.valueCache),
    alibi: op.alibi === undefined ? undefined : at.of(op.alibi),
    query_starts: at.of(op.queryStarts),
    context_lengths: at.of(op.contextLengths),
    block_tables: at.of(op.blockTables),
    out: at.of(op.out),
    sequences: sizes.sequences,
    ...{ heads: op.heads, kv_heads: op.kvHeads, head_dim: op.headDim },
    q_stride: at.widthOf(op.q),
    out_stride: at.widthOf(op.out),
    table_stride: at.tableStride,
    block_shift: Math.log2(at.blockSize),
    window: op.window,
    splits: 1,
    scale: op.scale,
    soft_cap: op.softCap,
    alibi_scale: op.alibiScale,
  }
}

/** Rows of 16-byte pieces of 16-bit numbers; nothing else goes through tensor cores. */
function tensorCoreHead({ headDim }: Attention, type: KernelType): Head | undefined {
  if (type === 'f32' || headDim % 8 !== 0) return undefined
  return HEADS.find((head) => head >= headDim)
}

function generic(op: Attention, type: KernelType, parameters: AttentionParameters, sizes: StepSizes): Launch {
  const [queries, keys] = [16, 32]
  return {
    module: 'attention/generic',
    kernel: `attention_${type}`,
    grid: [op.heads, queryTiles(queries, sizes), 1],
    threads: 128,
    shared: 4 * ((queries + keys) * (op.headDim + 1) + keys * op.headDim + queries * keys),
    parameters: parametersOf(ATTENTION_PARAMS, parameters),
  }
}

function prompt(
  op: Attention,
  type: KernelType,
  head: Head,
  parameters: AttentionParameters,
  sizes: StepSizes,
): Launch {
  const [queries, threads] = [64, 128]
  const keys = head <= 128 ? 64 : 32
  const queryBytes = head > 160 ? queries * head * 2 : 0
  return {
    module: 'attention/prompt',
    kernel: `prompt_${head}_${type}`,
    grid: [op.heads, queryTiles(queries, sizes), 1],
    threads,
    shared: 4 * keys * rowBytes(head) + queryBytes,
    parameters: parametersOf(ATTENTION_PARAMS, parameters),
  }
}

/** As many tiles of queries as the sequences can make up: every one but its last is full. */
function queryTiles(queries: number, { tokens, sequences, longestQuery }: StepSizes): number {
  const most = sequences * ceilDiv(longestQuery, queries)
  return Math.min(most, Math.floor(tokens / queries) + sequences)
}

function decode(
  op: Attention,
  type: KernelType,
  head: Head,
  parameters: AttentionParameters,
  at: Places,
  sizes: StepSizes,
): Launch[] {
  const { warps, stages } = DECODE_SHAPES[head]
  const group = op.heads / op.kvHeads
  const units = op.kvHeads * ceilDiv(group, ROWS)
  const { splits, splitKeys, joins } = planDecode(units, at, sizes)
  const partials = joins === 'kernel' ? at.scratch(partialBytes(op, sizes, splits)) : undefined
  const bytes = parametersOf(ATTENTION_PARAMS, { ...parameters, splits, split_keys: splitKeys, partials })
  const first: Launch = {
    module: 'attention/decode',
    kernel: `decode_${head}_${type}`,
    grid: [splits, units, sizes.sequences],
    threads: 32 * warps,
    shared: warps * stages * 2 * TILE_KEYS * rowBytes(head) + (head > 192 ? ROWS * head * 2 : 0),
    ...(joins === 'cluster' && { cluster: splits }),
    parameters: bytes,
  }
  if (joins !== 'kernel') return [first]
  return [
    first,
    {
      module: 'attention/decode',
      kernel: `join_splits_${type}`,
      grid: [op.heads, sizes.sequences, 1],
      threads: 32 * ceilDiv(op.headDim, 32),
      parameters: bytes,
    },
  ]
}

/** Sums, the largest score and the total of each split. */
function partialBytes(op: Attention, sizes: StepSizes, splits: number): number {
  return 4 * sizes.sequences * op.heads * splits * (op.headDim + 2)
}

/** TileLayout::ROW_BYTES of native/cuda/attention/tiles.cuh. */
function rowBytes(head: number): number {
  return 2 * head + (head % 64 === 0 ? 0 : 16)
}

export function fusedDecodeLaunches(
  _qkv: QkvToCache,
  _op: Attention,
  _at: Places,
  _sizes: StepSizes,
): Launch[] | undefined {
  return undefined
}
