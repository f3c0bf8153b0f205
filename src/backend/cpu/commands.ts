import { WarplineError } from '../../errors.js'
import type { Ref, Slice } from '../../program/buffer.js'
import type {
  Embed,
  HeadNorm,
  Linear,
  Logits,
  Moe,
  Norm,
  Operation,
  QkvToCache,
  Rotary,
} from '../../program/operation.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { Values } from '../structs.js'
import { ACTIVATION, CACHE, type CommandKind, MOST_ADDS, NORM, type OPCODES, SIZE } from './abi.js'
import type { Cache } from './caches.js'
import type { Address } from './library.js'
import { cacheStorage } from './storage.js'
import type { MatrixValues } from './weights.js'

/** Where the buffers of a program are. */
export interface Addresses {
  readonly program: Program
  readonly blockSize: number
  /** Activations, step inputs and weights that are vectors. */
  of(ref: Ref): Address
  matrix(ref: Ref): { readonly first: MatrixValues; readonly stride: number }
  cache(ref: Ref): Cache
  /** Cosines and sines for the tokens of a step, equal ones once; `isNew` where nothing computes them yet. */
  turns(rotary: Rotary): { readonly address: Address; readonly isNew: boolean }
  /** An array of wl_cache in native memory. */
  cacheTable(refs: readonly Ref[]): Address
  readonly sampling: { readonly rows: Address; readonly results: Address }
}

export type Parameters<K extends CommandKind> = Values<(typeof OPCODES)[K]['parameters']['fields']>

/** A wl_command yet to be written: which of the step's sizes is its number of rows, and its parameters. */
export type Command = {
  [K in CommandKind]: { readonly kind: K; readonly rows: number; readonly parameters: Parameters<K> }
}[CommandKind]

export type Collective = Extract<Operation, { kind: 'all-reduce' | 'all-gather' | 'send' | 'receive' }>
export type NativeOperation = Exclude<Operation, Collective>

/** The commands that compute an operation. */
export function commandsOf(op: NativeOperation, at: Addresses): Command[] {
  switch (op.kind) {
    case 'embed':
      return [{ kind: 'embed', rows: SIZE.tokens, parameters: embed(op, at) }]
    case 'norm':
      return [{ kind: 'norm', rows: rowsOf(op.x, at), parameters: norm(op, at) }]
    case 'linear':
      return [{ kind: 'linear', rows: rowsOf(op.x, at), parameters: linear(op, at) }]
    case 'logits':
      return [{ kind: 'logits', rows: SIZE.rows, parameters: logits(op, at) }]
    case 'add': {
      const parameters = { x: at.of(op.x), y: at.of(op.y), out: at.of(op.out), width: width(op.x, at) }
      return [{ kind: 'add', rows: rowsOf(op.x, at), parameters }]
    }
    case 'qkv-to-cache':
      return qkvToCache(op, at)
    case 'attention':
      return [{ kind: 'attention', rows: SIZE.tokens, parameters: attention(op, at) }]
    case 'moe':
      return [{ kind: 'moe', rows: SIZE.tokens, parameters: moe(op, at) }]
    case 'gather-rows': {
      const parameters = { x: at.of(op.x), rows: at.of(op.rows), out: at.of(op.out), width: width(op.x, at) }
      return [{ kind: 'gather-rows', rows: SIZE.rows, parameters }]
    }
    case 'copy-blocks': {
      const parameters = { caches: at.cacheTable(op.caches), pairs: at.of(op.pairs), count: op.caches.length }
      return [{ kind: 'copy-blocks', rows: SIZE.copies, parameters }]
    }
    case 'sample': {
      const parameters = { logits: at.of(op.logits), ...at.sampling, vocabulary: width(op.logits, at) }
      return [{ kind: 'sample', rows: SIZE.rows, parameters }]
    }
  }
}

function embed(op: Embed, at: Addresses): Parameters<'embed'> {
  return {
    table: at.matrix(op.table).first,
    ids: at.of(op.ids),
    rows: optional(op.rows, at),
    positions: optional(op.positions, at),
    position_table: optional(op.positionTable, at),
    out: at.of(op.out),
    id_offset: op.idOffset,
    position_offset: op.positionOffset,
    scale: op.scale ?? 1,
  }
}

function norm(op: Norm, at: Addresses): Parameters<'norm'> {
  if (op.adds.length > MOST_ADDS) {
    throw new WarplineError('program-invalid', `a norm adds ${op.adds.length} buffers; at most ${MOST_ADDS} fit`)
  }
  return {
    x: at.of(op.x),
    adds: op.adds.map((ref) => at.of(ref)),
    weight: optional(op.weight, at),
    bias: optional(op.bias, at),
    sum: optional(op.sum, at),
    out: at.of(op.out),
    width: width(op.x, at),
    add_count: op.adds.length,
    kind: NORM[op.norm],
    epsilon: op.epsilon,
  }
}

function linear(op: Linear, at: Addresses): Parameters<'linear'> {
  return {
    weight: at.matrix(op.weight).first,
    x: at.of(op.x),
    bias: optional(op.bias, at),
    multiply: optional(op.multiply, at),
    residual: optional(op.residual, at),
    out: at.of(op.out),
    x_stride: width(op.x, at),
    multiply_stride: width(op.out, at),
    residual_stride: width(op.out, at),
    out_stride: width(op.out, at),
    scale: 1,
    activation: op.activation && ACTIVATION[op.activation],
  }
}

function logits(op: Logits, at: Addresses): Parameters<'logits'> {
  return {
    weight: at.matrix(op.weight).first,
    x: at.of(op.x),
    bias: optional(op.bias, at),
    out: at.of(op.out),
    x_stride: width(op.x, at),
    out_stride: width(op.out, at),
    scale: op.scale ?? 1,
    soft_cap: op.softCap,
  }
}

function qkvToCache(op: QkvToCache, at: Addresses): Command[] {
  const { rotary } = op
  const turns = rotary && at.turns(rotary)
  const [q, k, v] = [op.q, op.k, op.v].map((slice) => columns(slice, at)) as [Columns, Columns, Columns]
  const parameters: Parameters<'qkv-to-cache'> = {
    ...{ q: q.address, k: k.address, v: v.address },
    ...{ q_stride: q.stride, k_stride: k.stride, v_stride: v.stride },
    q_weight: optional(op.queryNorm?.weight, at),
    q_bias: optional(op.queryNorm?.bias, at),
    k_weight: optional(op.keyNorm?.weight, at),
    k_bias: optional(op.keyNorm?.bias, at),
    turns: turns?.address,
    slots: at.of(op.slots),
    ...caches(op, at),
    out: at.of(op.out),
    ...heads(op, at),
    rotary_dim: rotary?.dim,
    interleaved: rotary?.pairs === 'interleaved' ? 1 : 0,
    q_norm: normKind(op.queryNorm),
    k_norm: normKind(op.keyNorm),
    q_epsilon: op.queryNorm?.epsilon,
    k_epsilon: op.keyNorm?.epsilon,
  }
  const command: Command = { kind: 'qkv-to-cache', rows: SIZE.tokens, parameters }
  if (!turns?.isNew) return [command]
  return [{ kind: 'turns', rows: SIZE.tokens, parameters: turning(rotary!, op.positions, turns.address, at) }, command]
}

function turning(rotary: Rotary, positions: Ref, out: Address, at: Addresses): Parameters<'turns'> {
  const { dim, scale, dynamic } = rotary
  return {
    frequencies: at.of(rotary.frequencies),
    positions: at.of(positions),
    lengths: optional(dynamic?.lengths, at),
    out,
    theta: dynamic?.theta,
    factor: dynamic?.factor,
    original: dynamic?.original,
    scale,
    dim,
  }
}

function attention(op: Extract<Operation, { kind: 'attention' }>, at: Addresses): Parameters<'attention'> {
  return {
    q: at.of(op.q),
    ...caches(op, at),
    alibi: optional(op.alibi, at),
    query_starts: at.of(op.queryStarts),
    context_lengths: at.of(op.contextLengths),
    block_tables: at.of(op.blockTables),
    out: at.of(op.out),
    ...heads(op, at),
    window: op.window,
    scale: op.scale,
    soft_cap: op.softCap,
    alibi_scale: op.alibiScale,
  }
}

function moe(op: Moe, at: Addresses): Parameters<'moe'> {
  const [router, up, down] = [op.router, op.up, op.down].map((ref) => at.matrix(ref)) as [Matrices, Matrices, Matrices]
  return {
    ...{ router: router.first, up: up.first, down: down.first },
    ...{ up_bytes: up.stride, down_bytes: down.stride },
    x: at.of(op.x),
    up_bias: optional(op.upBias, at),
    down_bias: optional(op.downBias, at),
    out: at.of(op.out),
    experts: op.experts,
    top_k: op.topK,
    renormalise: op.renormalise ? 1 : 0,
    activation: ACTIVATION[op.activation],
  }
}

type Matrices = ReturnType<Addresses['matrix']>

interface Columns {
  readonly address: Address
  readonly stride: number
}

function columns({ buffer, offset }: Slice, at: Addresses): Columns {
  return { address: at.of(buffer) + BigInt(offset * 4), stride: width(buffer, at) }
}

interface HeadsAndCaches {
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly keyCache: Ref
  readonly valueCache: Ref
}

function heads(op: HeadsAndCaches, at: Addresses) {
  const [keys, values] = [op.keyCache, op.valueCache].map((ref) => cacheStorage(getBuffer(at.program, ref)))
  if (keys !== values) {
    throw new WarplineError(
      'program-invalid',
      `${op.keyCache} is ${keys} and ${op.valueCache} ${values}; choose one type`,
    )
  }
  const { type } = CACHE[keys!]
  const { heads, kvHeads: kv_heads, headDim: head_dim } = op
  return { heads, kv_heads, head_dim, block_size: at.blockSize, cache_type: type }
}

function caches(op: HeadsAndCaches, at: Addresses) {
  return { key_cache: at.cache(op.keyCache).address, value_cache: at.cache(op.valueCache).address }
}

function normKind(norm: HeadNorm | undefined): number {
  return norm ? NORM[norm.norm] : NORM.none
}

function optional(ref: Ref | undefined, at: Addresses): Address | undefined {
  return ref === undefined ? undefined : at.of(ref)
}

/** The last dimension. */
function width(ref: Ref, at: Addresses): number {
  return getBuffer(at.program, ref).shape.at(-1) as number
}

/** Which size an activation's first dimension is. */
function rowsOf(ref: Ref, at: Addresses): number {
  return getBuffer(at.program, ref).shape[0] === 'rows' ? SIZE.rows : SIZE.tokens
}
