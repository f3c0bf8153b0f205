import type { Activation } from '../program/operation.js'
import type { Config } from './config.js'
import {
  activation,
  checkGroups,
  embeddingAndHead,
  type HeadShape,
  headDimOf,
  makeLayers,
  readSizes,
  rmsEpsilon,
  rmsNorm,
  type Sizes,
  size,
  USUAL_NAMES,
} from './parts.js'
import { type RotaryReading, readRotary } from './rotary.js'
import type { AttentionSpec, DecoderSpec, DenseSpec, LayerSpec } from './spec.js'
import type { Tensors } from './tensors.js'

/** Decoders after Llama (Touvron et al. 2023): RMS norms, rotary positions, grouped heads, gated feed-forward. */
export interface GatedDefaults extends Sizes {
  readonly inner: number
  /** As many as query heads where absent. */
  readonly kvHeads?: number
  /** hidden / heads where absent. */
  readonly headDim?: number
  readonly positions: number
  readonly theta: number
}

export interface GatedSizes extends Sizes, HeadShape, RotaryReading {
  readonly inner: number
}

export function readGatedSizes(c: Config, defaults: GatedDefaults): GatedSizes {
  const sizes = readSizes(c, USUAL_NAMES, defaults)
  const headDim = c.intOrNone('head_dim', defaults.headDim, { max: 4096 }) ?? headDimOf(c, USUAL_NAMES, sizes)
  const kvHeads = c.intOrNone('num_key_value_heads', defaults.kvHeads, { max: sizes.heads }) ?? sizes.heads
  checkGroups(c, 'num_key_value_heads', { heads: sizes.heads, kvHeads })
  const positions = size(c, 'positions', 'max_position_embeddings', defaults.positions)
  const rotary = readRotary(c, { headDim, theta: defaults.theta, positions })
  return { ...sizes, kvHeads, headDim, inner: size(c, 'inner', 'intermediate_size', defaults.inner), ...rotary }
}

export const GATED_TENSORS = { prefixes: ['model.', ''], probe: 'layers.0.input_layernorm.weight' }

/** The decoder around what a family's layers hold; `at` is a layer. */
export function gatedDecoder(
  c: Config,
  w: Tensors,
  sizes: GatedSizes,
  defaults: { readonly epsilon: number; readonly tied: boolean },
  layer: (at: Tensors, index: number) => Pick<LayerSpec, 'attention' | 'feedForward'>,
): Omit<DecoderSpec, 'family'> {
  const { vocabulary, hidden, contextLength } = sizes
  const norm = rmsNorm(rmsEpsilon(c, defaults.epsilon), hidden)
  const tables = { table: 'embed_tokens.weight', vocabulary, width: hidden, tied: defaults.tied }
  const { table, head } = embeddingAndHead(c, w, tables)
  return {
    ...{ vocabulary, hidden, head, contextLength, embedding: { table, width: hidden } },
    layers: makeLayers(sizes.layers, (i) => {
      const at = w.at(`layers.${i}`)
      return {
        residual: 'serial',
        attentionNorm: norm(at, 'input_layernorm'),
        feedForwardNorm: norm(at, 'post_attention_layernorm'),
        ...layer(at, i),
      }
    }),
    finalNorm: norm(w, 'norm'),
  }
}

/** q_proj, v_proj, o_proj below `at`. */
export function gatedAttention(
  at: Tensors,
  { hidden, heads, kvHeads, headDim, rotary }: GatedSizes,
  { biases = false, outputBias = biases }: { biases?: boolean; outputBias?: boolean } = {},
): AttentionSpec {
  const bias = { bias: biases }
  return {
    ...{ heads, kvHeads, headDim, rotary },
    scale: headDim ** -0.5,
    query: at.linear('q_proj', heads * headDim, hidden, bias),
    key: at.linear('k_proj', kvHeads * headDim, hidden, bias),
    value: at.linear('v_proj', kvHeads * headDim, hidden, bias),
    output: at.linear('o_proj', hidden, heads * headDim, { bias: outputBias }),
  }
}

/** gate_proj, up_proj, down_proj below `at`. */
export function gatedFeedForward(
  at: Tensors,
  { hidden, inner }: GatedSizes,
  { activation, bias = false }: { activation: Activation; bias?: boolean },
): DenseSpec {
  return {
    ...{ kind: 'dense', inner, activation },
    gate: at.linear('gate_proj', inner, hidden, { bias }),
    up: at.linear('up_proj', inner, hidden, { bias }),
    down: at.linear('down_proj', hidden, inner, { bias }),
  }
}

export function gatedActivation(c: Config): Activation {
  return activation(c, 'hidden_act', 'silu')
}

const LAYER_TYPES = ['full_attention', 'sliding_attention']

/**
 * Each layer's window, as `layer_types` says or, without it, where `slides` does. `window` is what a sliding layer sees,
 * undefined where windows are switched off.
 */
export function layerWindows(
  c: Config,
  layers: number,
  window: number | undefined,
  slides: (layer: number) => boolean,
): (number | undefined)[] {
  const types = c.list('layer_types')
  if (!types) return Array.from({ length: layers }, (_, i) => (slides(i) ? window : undefined))
  if (types.length !== layers) c.invalid('layer_types', `a list of ${layers}, one for each layer`)
  return types.map((type) => {
    if (!LAYER_TYPES.includes(type as string)) c.unsupported('layer_types', `supported are ${LAYER_TYPES.join(', ')}`)
    if (type === 'full_attention') return undefined
    return window ?? c.invalid('layer_types', 'without sliding_attention where sliding_window is off')
  })
}
