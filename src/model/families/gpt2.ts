import type { Activation } from '../../program/operation.js'
import type { Config } from '../config.js'
import { family } from '../family.js'
import * as parts from '../parts.js'
import type { DecoderSpec, FeedForwardSpec } from '../spec.js'
import type { Tensors } from '../tensors.js'

export const GPT2_TENSORS = { prefixes: ['transformer.', ''], probe: 'h.0.ln_1.weight' }

/** GPT-2 (Radford et al. 2019): learned positions, norms before, products stored input-major (Conv1D). */
export const gpt2 = family('gpt2', GPT2_TENSORS, (c, w) => gpt2Decoder(c, w))

export interface FeedForwardSizes {
  readonly hidden: number
  readonly inner: number
  readonly activation: Activation
}

const CONV1D = { transposed: true, bias: true }

/** c_fc and c_proj of layer `at`. */
export function gpt2FeedForward(at: Tensors, { hidden, inner, activation }: FeedForwardSizes): FeedForwardSpec {
  const up = at.linear('mlp.c_fc', inner, hidden, CONV1D)
  return parts.dense(activation, inner, up, at.linear('mlp.c_proj', hidden, inner, CONV1D))
}

/** GPT-2 with the feed-forward that `feedForward` gives a layer. */
export function gpt2Decoder(
  c: Config,
  w: Tensors,
  feedForward: (at: Tensors, sizes: FeedForwardSizes, layer: number) => FeedForwardSpec = gpt2FeedForward,
): Omit<DecoderSpec, 'family'> {
  const sizes = parts.readSizes(c, parts.GPT_NAMES, { vocabulary: 50257, hidden: 768, layers: 12, heads: 12 })
  const { vocabulary, hidden, heads } = sizes
  const positions = parts.size(c, 'positions', ['n_positions', 'max_position_embeddings'], 1024)
  const inner = parts.size(c, 'inner', 'n_inner', 4 * hidden)
  const norm = parts.layerNorm(c, 'layer_norm_epsilon', 1e-5, hidden)
  const activation = parts.activation(c, 'activation_function', 'gelu_new')
  const headDim = parts.headDimOf(c, parts.GPT_NAMES, sizes)
  const shape = { heads, kvHeads: heads, headDim }
  const scale = c.bool('scale_attn_weights', true) ? headDim ** -0.5 : 1
  const byLayer = c.bool('scale_attn_by_inverse_layer_idx', false)
  const { table, head } = parts.embeddingAndHead(c, w, { table: 'wte.weight', vocabulary, width: hidden, tied: true })
  c.ignore('n_ctx')
  return {
    ...{ vocabulary, hidden, head, contextLength: positions },
    embedding: {
      ...{ table, width: hidden },
      positions: { table: w.matrix('wpe.weight', positions, hidden), rows: positions, offset: 0 },
    },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`h.${i}`)
      return {
        residual: 'serial',
        attentionNorm: norm(at, 'ln_1'),
        feedForwardNorm: norm(at, 'ln_2'),
        attention: {
          ...{ ...shape, scale: byLayer ? scale / (i + 1) : scale },
          ...parts.fusedQkv(at, 'attn.c_attn', hidden, shape, { ...CONV1D, interleaved: false }),
          output: at.linear('attn.c_proj', hidden, hidden, CONV1D),
        },
        feedForward: feedForward(at, { hidden, inner, activation }, i),
      }
    }),
    finalNorm: norm(w, 'ln_f'),
  }
}
