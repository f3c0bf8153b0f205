import { family } from '../family.js'
import { GATED_TENSORS, gatedAttention, gatedFeedForward, layerWindows, readGatedSizes } from '../gated.js'
import * as parts from '../parts.js'

const SOFT_CAP = { min: 1e-6, max: 1e6 }

/**
 * Gemma 2 (Gemma Team 2024): norms around each branch, their weights stored minus one, a scaled embedding, soft caps,
 * every other layer with a window.
 */
export const gemma2 = family('gemma2', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 256000, hidden: 2304, layers: 26, heads: 8, kvHeads: 4, headDim: 256, inner: 9216 },
    ...{ positions: 8192, theta: 10_000 },
  })
  const { vocabulary, hidden, contextLength } = sizes
  const window = c.intOrNone('sliding_window', 4096)
  const windows = layerWindows(c, sizes.layers, window, (i) => i % 2 === 0)
  const norm = parts.rmsNorm(parts.rmsEpsilon(c, 1e-6), hidden, 1)
  const activation = parts.activation(c, 'hidden_activation', 'gelu_pytorch_tanh')
  const biases = c.bool('attention_bias', false)
  const scale = c.number('query_pre_attn_scalar', 256, { min: 1e-6, max: 1e9 }) ** -0.5
  const softCap = c.numberOrNone('attn_logit_softcapping', 50, SOFT_CAP)
  const finalCap = c.numberOrNone('final_logit_softcapping', 30, SOFT_CAP)
  const tables = { table: 'embed_tokens.weight', vocabulary, width: hidden, tied: true }
  const { table, head } = parts.embeddingAndHead(c, w, tables)
  c.ignore('hidden_act')
  c.expect('sliding_window_size', window, 'beside that "sliding_window"')
  return {
    ...{ vocabulary, hidden, contextLength, head: { ...head, softCap: finalCap } },
    embedding: { table, width: hidden, scale: hidden ** 0.5 },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`layers.${i}`)
      return {
        residual: 'serial',
        attentionNorm: norm(at, 'input_layernorm'),
        attentionOutputNorm: norm(at, 'post_attention_layernorm'),
        feedForwardNorm: norm(at, 'pre_feedforward_layernorm'),
        feedForwardOutputNorm: norm(at, 'post_feedforward_layernorm'),
        attention: { ...gatedAttention(at.at('self_attn'), sizes, { biases }), scale, softCap, window: windows[i] },
        feedForward: gatedFeedForward(at.at('mlp'), sizes, { activation }),
      }
    }),
    finalNorm: norm(w, 'norm'),
  }
})
