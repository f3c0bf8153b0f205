import type { Activation } from '../program/operation.js'
import type { WeightSource } from '../program/weight-source.js'

/**
 * A decoder-only transformer, as data: everything that lowering needs, and nothing that depends on a family's name.
 * Weights are named where they are used. Shapes: H hidden, V vocabulary.
 */
export interface DecoderSpec {
  readonly family: string
  readonly vocabulary: number
  readonly hidden: number
  /** Most tokens that a sequence may hold. */
  readonly contextLength: number
  readonly embedding: EmbeddingSpec
  readonly layers: readonly LayerSpec[]
  /** Before the head; absent in post-norm models. */
  readonly finalNorm?: NormSpec
  /** After the final norm: [E, H], for embeddings narrower than the model (OPT-350m). */
  readonly outputProjection?: LinearSpec
  readonly head: HeadSpec
}

export interface EmbeddingSpec {
  /** [V, E]; E is `width`. */
  readonly table: WeightSource
  readonly width: number
  /** Rounded to the weights' storage type, as checkpoints' own code does (Gemma). */
  readonly scale?: number
  /** From E to H where they differ. */
  readonly projection?: LinearSpec
  /** Learned positions, [rows, H]; position p reads row p + offset. */
  readonly positions?: { readonly table: WeightSource; readonly rows: number; readonly offset: number }
  /** On the finished embedding (BLOOM). */
  readonly norm?: NormSpec
}

export interface NormSpec {
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  readonly weight?: WeightSource
  readonly bias?: WeightSource
}

export interface LinearSpec {
  /** [outputs, inputs] */
  readonly weight: WeightSource
  /** [outputs] */
  readonly bias?: WeightSource
}

/**
 * How a layer's parts are joined; x is the layer's input, A attention, F feed-forward, N norms.
 * serial:          h = x + A(N1 x);  out = h + F(N2 h)
 * post-norm:       h = N1(x + A x);  out = N2(h + F h)
 * parallel:        out = x + A(N1 x) + F(N2 x), where N2 is N1 if no second norm is given
 * norm-residual:   as serial, but each sum starts from the norm's output (BLOOM's alternative)
 */
export type ResidualForm = 'serial' | 'post-norm' | 'parallel' | 'norm-residual'

export interface LayerSpec {
  readonly residual: ResidualForm
  readonly attentionNorm: NormSpec
  readonly feedForwardNorm?: NormSpec
  /** Norms of the branches before they are added (Gemma 2). */
  readonly attentionOutputNorm?: NormSpec
  readonly feedForwardOutputNorm?: NormSpec
  readonly attention: AttentionSpec
  readonly feedForward: FeedForwardSpec
}

export interface AttentionSpec {
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  /** Multiplies dot products; usually headDim ** -0.5. */
  readonly scale: number
  readonly query: LinearSpec
  readonly key: LinearSpec
  readonly value: LinearSpec
  readonly output: LinearSpec
  /** Over each head, before rotation. */
  readonly queryNorm?: NormSpec
  readonly keyNorm?: NormSpec
  readonly rotary?: RotarySpec
  /** Slopes, one a head. */
  readonly alibi?: readonly number[]
  /** Biases are this times bf16(slope * key position) (Falcon). */
  readonly alibiScale?: number
  readonly window?: number
  readonly softCap?: number
}

export interface RotarySpec {
  readonly dim: number
  readonly pairs: 'half' | 'interleaved'
  /** Radians a position, dim / 2 of them. */
  readonly frequencies: readonly number[]
  readonly scale: number
  readonly dynamic?: { readonly theta: number; readonly factor: number; readonly original: number }
}

export type FeedForwardSpec = DenseSpec | MoeSpec

export interface DenseSpec {
  readonly kind: 'dense'
  readonly inner: number
  readonly activation: Activation
  readonly gate?: LinearSpec
  readonly up: LinearSpec
  readonly down: LinearSpec
}

export interface MoeSpec {
  readonly kind: 'moe'
  readonly inner: number
  readonly activation: Activation
  readonly experts: number
  readonly topK: number
  readonly renormalise: boolean
  readonly gated: boolean
  /** [experts, H] */
  readonly router: WeightSource
  /** Experts below each other, each gate (if gated) above up: [experts * N, H]; biases [experts * N]. */
  readonly up: LinearSpec
  /** Experts below each other: [experts * H, inner]; biases [experts * H]. */
  readonly down: LinearSpec
}

export interface HeadSpec {
  /** [V, E] */
  readonly weight: WeightSource
  readonly bias?: WeightSource
  readonly scale?: number
  readonly softCap?: number
}
