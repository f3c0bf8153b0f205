import { family } from '../family.js'
import * as parts from '../parts.js'
import { readRotary } from '../rotary.js'

const TENSORS = { prefixes: ['model.', ''], probe: 'layers.0.input_layernorm.weight' }
const BIAS = { bias: true }

/** Phi-1, 1.5 and 2 (Gunasekar et al. 2023): parallel residual from one norm, partial rotary, biases everywhere. */
export const phi = family('phi', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, parts.USUAL_NAMES, { vocabulary: 51200, hidden: 2048, layers: 24, heads: 32 })
  const { vocabulary, hidden, heads } = sizes
  const inner = parts.size(c, 'inner', 'intermediate_size', 8192)
  const norm = parts.layerNorm(c, 'layer_norm_eps', 1e-5, hidden)
  const activation = parts.activation(c, 'hidden_act', 'gelu_new')
  const headDim = parts.headDimOf(c, parts.USUAL_NAMES, sizes)
  const kvHeads = c.int('num_key_value_heads', heads, { max: heads })
  parts.checkGroups(c, 'num_key_value_heads', { heads, kvHeads })
  const headNorm = c.bool('qk_layernorm', false) ? parts.layerNorm(c, 'layer_norm_eps', 1e-5, headDim) : undefined
  const positions = parts.size(c, 'positions', 'max_position_embeddings', 2048)
  const { rotary, contextLength } = readRotary(c, { headDim, theta: 10_000, positions, partial: 0.5 })
  const tables = { table: 'embed_tokens.weight', vocabulary, width: hidden, tied: false, bias: true }
  const { table, head } = parts.embeddingAndHead(c, w, tables)
  c.expect('head_dim', headDim, 'with these heads')
  return {
    ...{ vocabulary, hidden, head, contextLength, embedding: { table, width: hidden } },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`layers.${i}`)
      const up = at.linear('mlp.fc1', inner, hidden, BIAS)
      return {
        residual: 'parallel',
        attentionNorm: norm(at, 'input_layernorm'),
        attention: {
          ...{ heads, kvHeads, headDim, rotary, scale: headDim ** -0.5 },
          query: at.linear('self_attn.q_proj', hidden, hidden, BIAS),
          key: at.linear('self_attn.k_proj', kvHeads * headDim, hidden, BIAS),
          value: at.linear('self_attn.v_proj', kvHeads * headDim, hidden, BIAS),
          output: at.linear('self_attn.dense', hidden, hidden, BIAS),
          ...(headNorm && {
            queryNorm: headNorm(at, 'self_attn.q_layernorm'),
            keyNorm: headNorm(at, 'self_attn.k_layernorm'),
          }),
        },
        feedForward: parts.dense(activation, inner, up, at.linear('mlp.fc2', hidden, inner, BIAS)),
      }
    }),
    finalNorm: norm(w, 'final_layernorm'),
  }
})
