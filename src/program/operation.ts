import type { Ref, Slice } from './buffer.js'

/**
 * The operations of a step. Each is data: names of buffers and constants. What each computes is written out, once, in
 * backend/reference. `[a, b]` are shapes, T stands for tokens, R for rows.
 */
export type Operation =
  | Embed
  | Norm
  | Linear
  | Add
  | QkvToCache
  | Attention
  | Moe
  | AllReduce
  | AllGather
  | Send
  | Receive
  | GatherRows
  | CopyBlocks
  | Logits
  | Sample

export type OperationKind = Operation['kind']

/**
 * `gelu` is the exact one (erf), `gelu-tanh` the tanh approximation, `gelu-quick` x * sigmoid(1.702 x), `relu2` the
 * square of relu.
 */
export type Activation = 'relu' | 'relu2' | 'gelu' | 'gelu-tanh' | 'gelu-quick' | 'silu' | 'tanh'

/**
 * out[T, H] = scale * (table[ids + idOffset] or the step's own row where the id is -1)
 *           + positionTable[positions + positionOffset].
 */
export interface Embed {
  readonly kind: 'embed'
  /** i32 [T]; -1 takes the token's row of `rows` (soft prompts). */
  readonly ids: Ref
  /** Where the ids are positions: OPT keeps two rows in front of the first one's. */
  readonly idOffset?: number
  readonly table: Ref
  /** [T, H]: rows given with the request in place of ids. */
  readonly rows?: Ref
  readonly scale?: number
  readonly positions?: Ref
  readonly positionTable?: Ref
  readonly positionOffset?: number
  readonly out: Ref
}

/** sum = x + adds[0] + adds[1] + ...; out = normalised sum, row by row. x, adds, sum, out: [T or R, H]. */
export interface Norm {
  readonly kind: 'norm'
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  readonly x: Ref
  readonly adds: readonly Ref[]
  readonly weight?: Ref
  readonly bias?: Ref
  /** Where the sum goes when something else reads it too. */
  readonly sum?: Ref
  readonly out: Ref
}

/**
 * t = x weight^T + bias, weight [N, K]. Gated: weight holds the gate's rows above the up-projection's and
 * out = activation(gate) * up, [T, N / 2]; otherwise out = activation(t) * multiply + residual, [T, N].
 */
export interface Linear {
  readonly kind: 'linear'
  readonly x: Ref
  readonly weight: Ref
  readonly bias?: Ref
  readonly activation?: Activation
  readonly gated?: boolean
  readonly multiply?: Ref
  readonly residual?: Ref
  readonly out: Ref
}

/** out = x + y, element by element. */
export interface Add {
  readonly kind: 'add'
  readonly x: Ref
  readonly y: Ref
  readonly out: Ref
}

/** A norm over each head's elements, before rotation (Qwen3, Phi). weight, bias: [headDim]. */
export interface HeadNorm {
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  readonly weight?: Ref
  readonly bias?: Ref
}

/** Rotary embedding (Su et al. 2021) of the first `dim` elements of each head. */
export interface Rotary {
  readonly dim: number
  /** `half`: element i pairs with i + dim / 2 (NeoX, Llama); `interleaved`: 2i with 2i + 1 (GPT-J). */
  readonly pairs: 'half' | 'interleaved'
  /** f32 [dim / 2]: radians a position. */
  readonly frequencies: Ref
  /** Multiplies cosine and sine (YaRN's attention factor). */
  readonly scale: number
  /**
   * Dynamic NTK scaling: a token whose `lengths` entry L exceeds `original` turns with base
   * theta * (factor * L / original - (factor - 1)) ** (dim / (dim - 2)) instead.
   */
  readonly dynamic?: {
    readonly theta: number
    readonly factor: number
    readonly original: number
    readonly lengths: Ref
  }
}

/**
 * Splits q, k, v; normalises and rotates q and k; writes k and v in place into the cache at each token's slot; leaves
 * the finished queries in out [T, heads * headDim].
 */
export interface QkvToCache {
  readonly kind: 'qkv-to-cache'
  readonly q: Slice
  readonly k: Slice
  readonly v: Slice
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly queryNorm?: HeadNorm
  readonly keyNorm?: HeadNorm
  readonly rotary?: Rotary
  readonly positions: Ref
  /** i32 [T]: block * blockSize + offset within the block. */
  readonly slots: Ref
  readonly keyCache: Ref
  readonly valueCache: Ref
  readonly out: Ref
}

/**
 * Causal attention of a ragged batch over the paged cache, which already holds this step's keys and values. Sequence s
 * owns the query tokens queryStarts[s] .. queryStarts[s + 1], the last of which stands at contextLengths[s] - 1.
 */
export interface Attention {
  readonly kind: 'attention'
  readonly q: Ref
  readonly keyCache: Ref
  readonly valueCache: Ref
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  /** Multiplies the dot products. */
  readonly scale: number
  /** A query at p sees keys p - window + 1 .. p. */
  readonly window?: number
  /** score = softCap * tanh(score / softCap) (Gemma 2). */
  readonly softCap?: number
  /** f32 [heads]: adds slope * (key position - query position) to a scaled score (Press et al. 2022). */
  readonly alibi?: Ref
  /** If given, that bias is alibiScale * bf16(slope * key position), the precision that Falcon was trained with. */
  readonly alibiScale?: number
  readonly queryStarts: Ref
  readonly contextLengths: Ref
  readonly blockTables: Ref
  readonly out: Ref
}

/**
 * Mixture of experts. p = softmax(x router^T); the topK largest (lowest index wins a tie), renormalised to sum 1 if
 * asked; out = sum of p[e] * expert_e(x). up: [experts, N, H] with N = F, or 2 F gated as in Linear; down: [experts, H, F].
 */
export interface Moe {
  readonly kind: 'moe'
  readonly x: Ref
  readonly router: Ref
  readonly up: Ref
  readonly upBias?: Ref
  readonly down: Ref
  readonly downBias?: Ref
  readonly experts: number
  readonly topK: number
  readonly renormalise: boolean
  readonly gated: boolean
  readonly activation: Activation
  readonly out: Ref
}

/** out = sum of x over the ranks of the tensor group, in rank order. */
export interface AllReduce {
  readonly kind: 'all-reduce'
  readonly x: Ref
  readonly out: Ref
}

/** out = the ranks' columns side by side, in rank order. */
export interface AllGather {
  readonly kind: 'all-gather'
  readonly x: Ref
  readonly out: Ref
}

/** Hands x to the same tensor slice of the pipeline stage `to`. */
export interface Send {
  readonly kind: 'send'
  readonly x: Ref
  readonly to: number
}

/** Takes what the pipeline stage `from` sent. */
export interface Receive {
  readonly kind: 'receive'
  readonly from: number
  readonly out: Ref
}

/** out[r] = x[rows[r]]. */
export interface GatherRows {
  readonly kind: 'gather-rows'
  readonly x: Ref
  readonly rows: Ref
  readonly out: Ref
}

/** Before a step: block `pairs[i][1]` of every cache becomes a copy of block `pairs[i][0]` (copy-on-write forks). */
export interface CopyBlocks {
  readonly kind: 'copy-blocks'
  readonly caches: readonly Ref[]
  readonly pairs: Ref
}

/** out[R, V] = softCap(scale * (x weight^T + bias)), always f32. */
export interface Logits {
  readonly kind: 'logits'
  readonly x: Ref
  readonly weight: Ref
  readonly bias?: Ref
  readonly scale?: number
  readonly softCap?: number
  readonly out: Ref
}

/** The last operation: from each row's logits to its tokens and log-probabilities (see step.ts for both records). */
export interface Sample {
  readonly kind: 'sample'
  readonly logits: Ref
  readonly sampling: Ref
  readonly out: Ref
}

/** Every buffer an operation reads, weights and inputs included. */
export function reads(op: Operation): readonly Ref[] {
  return accessOf(op).reads
}

/** Every buffer an operation writes; caches written in place count as both. */
export function writes(op: Operation): readonly Ref[] {
  return accessOf(op).writes
}

interface Access {
  readonly reads: readonly Ref[]
  readonly writes: readonly Ref[]
}

/** Passes ask again and again, and operations never change. */
const accesses = new WeakMap<Operation, Access>()

function accessOf(op: Operation): Access {
  const known = accesses.get(op)
  if (known) return known
  const fields = fieldsOf(op)
  const read = fields.filter(([key]) => !WRITES.has(key)).flatMap(([, refs]) => refs)
  const written = fields.filter(([key]) => WRITES.has(key)).flatMap(([, refs]) => refs)
  if (op.kind === 'copy-blocks') written.push(...op.caches)
  if (op.kind === 'qkv-to-cache') written.push(op.keyCache, op.valueCache)
  const access = { reads: read, writes: written }
  accesses.set(op, access)
  return access
}

const WRITES = new Set(['out', 'sum'])
const NOT_REFS = new Set(['kind', 'norm', 'activation', 'pairs'])

function fieldsOf(op: Operation): [string, Ref[]][] {
  return Object.entries(op).map(([key, value]) => [key, refsIn(op, key, value)])
}

function isRefField(op: Operation | object, key: string, value: unknown): value is string {
  if (typeof value !== 'string') return false
  if (key === 'pairs') return 'kind' in op && op.kind === 'copy-blocks'
  return !NOT_REFS.has(key)
}

function refsIn(owner: object, key: string, value: unknown): Ref[] {
  if (isRefField(owner, key, value)) return [value]
  if (Array.isArray(value)) return value.filter((item): item is Ref => typeof item === 'string')
  if (value && typeof value === 'object') return Object.entries(value).flatMap(([k, v]) => refsIn(value, k, v))
  return []
}
