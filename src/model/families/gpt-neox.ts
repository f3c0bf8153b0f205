import { family } from '../family.js'
import * as parts from '../parts.js'
import { readRotary } from '../rotary.js'

const TENSORS = { prefixes: ['gpt_neox.', ''], probe: 'layers.0.input_layernorm.weight' }
const BIAS = { bias: true }

/** GPT-NeoX (Black et al. 2022), Pythia: two norms, parallel or serial residual, query, key and value head by head. */
export const gptNeox = family('gpt_neox', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, parts.USUAL_NAMES, { vocabulary: 50432, hidden: 6144, layers: 44, heads: 64 })
  const { vocabulary, hidden, heads } = sizes
  const inner = parts.size(c, 'inner', 'intermediate_size', 24576)
  const norm = parts.layerNorm(c, 'layer_norm_eps', 1e-5, hidden)
  const activation = parts.activation(c, 'hidden_act', 'gelu')
  const shape = { heads, kvHeads: heads, headDim: parts.headDimOf(c, parts.USUAL_NAMES, sizes) }
  const { rotary, contextLength } = readRotary(c, {
    ...{ headDim: shape.headDim, theta: 10_000, partial: 0.25 },
    ...{ thetaName: 'rotary_emb_base', partialName: 'rotary_pct' },
    positions: parts.size(c, 'positions', 'max_position_embeddings', 2048),
  })
  const bias = c.bool('attention_bias', true)
  const residual = c.bool('use_parallel_residual', true) ? 'parallel' : 'serial'
  const heading = { table: 'embed_in.weight', heads: ['embed_out', 'lm_head'], tied: false }
  const { table, head } = parts.embeddingAndHead(c, w, { ...heading, vocabulary, width: hidden })
  c.expect('head_dim', shape.headDim, 'with these heads')
  return {
    ...{ vocabulary, hidden, head, contextLength, embedding: { table, width: hidden } },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`layers.${i}`)
      const up = at.linear('mlp.dense_h_to_4h', inner, hidden, BIAS)
      return {
        residual,
        attentionNorm: norm(at, 'input_layernorm'),
        feedForwardNorm: norm(at, 'post_attention_layernorm'),
        attention: {
          ...{ ...shape, rotary, scale: shape.headDim ** -0.5 },
          ...parts.fusedQkv(at, 'attention.query_key_value', hidden, shape, { bias, interleaved: true }),
          output: at.linear('attention.dense', hidden, hidden, { bias }),
        },
        feedForward: parts.dense(activation, inner, up, at.linear('mlp.dense_4h_to_h', hidden, inner, BIAS)),
      }
    }),
    finalNorm: norm(w, 'final_layer_norm'),
  }
})
