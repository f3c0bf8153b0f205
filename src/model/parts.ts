import { WarplineError } from '../errors.js'
import type { Activation } from '../program/operation.js'
import type { WeightSource } from '../program/weight-source.js'
import type { Config, Names } from './config.js'
import type { AttentionSpec, DenseSpec, HeadSpec, LayerSpec, LinearSpec, NormSpec } from './spec.js'
import type { PartOptions, Tensors } from './tensors.js'

/** Bounds that no decoder yet built comes near, so that a hostile file cannot ask for the impossible. */
const LIMITS = {
  vocabulary: { max: 2 ** 24 },
  hidden: { max: 2 ** 18 },
  layers: { max: 2 ** 10 },
  heads: { max: 2 ** 12 },
  headDim: { max: 2 ** 12 },
  inner: { max: 2 ** 22 },
  positions: { max: 2 ** 27 },
  experts: { max: 2 ** 9 },
} as const

export type SizeField = keyof typeof LIMITS

/** A size within what is sane. */
export function size(c: Config, field: SizeField, names: Names, fallback?: number): number {
  return c.int(names, fallback, LIMITS[field])
}

const MOST_EXPERTS = 2 ** 16

/** Experts of each of `layers` layers. */
export function expertCount(c: Config, names: Names, layers: number, fallback?: number): number {
  const experts = size(c, 'experts', names, fallback)
  if (experts * layers > MOST_EXPERTS)
    c.invalid(names, `at most ${Math.floor(MOST_EXPERTS / layers)} with ${layers} layers`)
  return experts
}

export interface Sizes {
  readonly vocabulary: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
}

type SizeNames = Readonly<Record<'hidden' | 'layers' | 'heads', Names>>

/** How GPT-2 and its descendants name them, and how most others do. */
export const GPT_NAMES: SizeNames = {
  hidden: ['n_embd', 'hidden_size'],
  layers: ['n_layer', 'num_hidden_layers'],
  heads: ['n_head', 'num_attention_heads'],
}
export const USUAL_NAMES: SizeNames = {
  hidden: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
}

export function readSizes(c: Config, names: SizeNames, defaults: Sizes): Sizes {
  return {
    vocabulary: size(c, 'vocabulary', 'vocab_size', defaults.vocabulary),
    hidden: size(c, 'hidden', names.hidden, defaults.hidden),
    layers: size(c, 'layers', names.layers, defaults.layers),
    heads: size(c, 'heads', names.heads, defaults.heads),
  }
}

/** Elements of a head where the heads share the hidden size evenly. */
export function headDimOf(c: Config, names: SizeNames, { hidden, heads }: Sizes): number {
  if (hidden % heads !== 0) c.invalid(names.heads, `a divisor of the hidden size ${hidden}`)
  return hidden / heads
}

/** Shared fields of every layer's attention. */
export type HeadShape = Pick<AttentionSpec, 'heads' | 'kvHeads' | 'headDim'>

export function checkGroups(c: Config, names: Names, { heads, kvHeads }: Omit<HeadShape, 'headDim'>): void {
  if (heads % kvHeads !== 0) c.invalid(names, `a divisor of the ${heads} query heads`)
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_accurate: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  gelu_python_tanh: 'gelu-tanh',
  quick_gelu: 'gelu-quick',
  relu: 'relu',
  relu2: 'relu2',
  silu: 'silu',
  swish: 'silu',
  tanh: 'tanh',
}

/** transformers' name of an activation (activations.py). */
export function activation(c: Config, names: Names, fallback: string): Activation {
  return ACTIVATIONS[c.oneOf(names, Object.keys(ACTIVATIONS), fallback)]!
}

/** The norms of one model: called with where they are and their name. */
export type NormMaker = (at: Tensors, name: string) => NormSpec

const EPSILON = { min: Number.MIN_VALUE, max: 1 }

/** LayerNorm (Ba et al. 2016) with weight and bias of `width` elements. */
export function layerNorm(c: Config, names: Names, fallback: number, width: number): NormMaker {
  const epsilon = c.number(names, fallback, EPSILON)
  return (at, name) => ({
    norm: 'layer',
    epsilon,
    weight: at.vector(`${name}.weight`, width),
    bias: at.vector(`${name}.bias`, width),
  })
}

/** RMSNorm (Zhang & Sennrich 2019); `plus` is added to the stored weight. */
export function rmsNorm(epsilon: number, width: number, plus?: number): NormMaker {
  return (at, name) => ({ norm: 'rms', epsilon, weight: at.vector(`${name}.weight`, width, { plus }) })
}

export function rmsEpsilon(c: Config, fallback: number): number {
  return c.number('rms_norm_eps', fallback, EPSILON)
}

export interface FusedOptions extends Omit<PartOptions, 'rows'> {
  readonly bias?: boolean
  /**
   * false: all queries, then all keys, then all values. true: for each key head its queries, its key, its value.
   */
  readonly interleaved: boolean
}

/** Query, key and value out of one fused projection. */
export function fusedQkv(
  at: Tensors,
  name: string,
  inputs: number,
  { heads, kvHeads, headDim }: HeadShape,
  { interleaved, ...options }: FusedOptions,
): Pick<AttentionSpec, 'query' | 'key' | 'value'> {
  const repeat = interleaved ? kvHeads : 1
  const queryRows = (heads * headDim) / repeat
  const keyRows = (kvHeads * headDim) / repeat
  const stride = queryRows + 2 * keyRows
  const part = (start: number, length: number): LinearSpec =>
    at.linear(name, length * repeat, inputs, {
      ...options,
      rows: { start, length, stride, repeat, total: stride * repeat },
    })
  return { query: part(0, queryRows), key: part(queryRows, keyRows), value: part(queryRows + keyRows, keyRows) }
}

/** A feed-forward without a gate. */
export function dense(activation: Activation, inner: number, up: LinearSpec, down: LinearSpec): DenseSpec {
  return { kind: 'dense', activation, inner, up, down }
}

export interface TableOptions {
  /** The embedding's tensor below the model's prefix. */
  readonly table: string
  /** Names of the head beside the model; `lm_head` unless given. */
  readonly heads?: readonly string[]
  readonly vocabulary: number
  readonly width: number
  /** The family's default of `tie_word_embeddings`. */
  readonly tied: boolean
  /** The head has a bias. */
  readonly bias?: boolean
}

/**
 * The embedding and the head, under any of the names that checkpoints use. Tied: either tensor serves both; where both
 * are there the embedding does. Untied: a checkpoint without a head uses its embedding, unless config.json says
 * explicitly that they differ.
 */
export function embeddingAndHead(
  c: Config,
  w: Tensors,
  options: TableOptions,
): { table: WeightSource; head: HeadSpec } {
  const { vocabulary, width, heads = ['lm_head'] } = options
  const tied = c.bool('tie_word_embeddings', options.tied)
  const name = heads.find((candidate) => w.top.has(`${candidate}.weight`))
  const own = name !== undefined && w.top.matrix(`${name}.weight`, vocabulary, width)
  const embedding = w.matrix(options.table, vocabulary, width)
  if (!tied && !own && c.has('tie_word_embeddings')) {
    throw new WarplineError(
      'tensor-missing',
      `the checkpoint has no ${heads[0]}.weight, and config.json says that the head does not share the embedding; use a ` +
        'checkpoint of the whole model, or set "tie_word_embeddings" to true if they are the same',
    )
  }
  const table = own && tied && !w.has(options.table) ? own : embedding
  const weight = own && !tied ? own : table
  const hasBias = options.bias && (name !== undefined || w.top.has(`${heads[0]}.bias`))
  const bias = hasBias && w.top.vector(`${name ?? heads[0]}.bias`, vocabulary)
  return { table, head: { weight, ...(bias && { bias }) } }
}

export function makeLayers(count: number, layer: (index: number) => LayerSpec): LayerSpec[] {
  return Array.from({ length: count }, (_, i) => layer(i))
}
