import { family } from '../family.js'
import * as parts from '../parts.js'
import { plainRotary } from '../rotary.js'

const TENSORS = { prefixes: ['transformer.', ''], probe: 'h.0.ln_1.weight' }
const BIAS = { bias: true }

/** GPT-J (Wang & Komatsuzaki 2021): parallel residual from one norm, interleaved rotary pairs, a head with a bias. */
export const gptj = family('gptj', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, parts.GPT_NAMES, { vocabulary: 50400, hidden: 4096, layers: 28, heads: 16 })
  const { vocabulary, hidden, heads } = sizes
  const inner = parts.size(c, 'inner', 'n_inner', 4 * hidden)
  const norm = parts.layerNorm(c, 'layer_norm_epsilon', 1e-5, hidden)
  const activation = parts.activation(c, 'activation_function', 'gelu_new')
  const headDim = parts.headDimOf(c, parts.GPT_NAMES, sizes)
  const rotaryDim = c.int('rotary_dim', 64, { min: 2, max: headDim })
  if (rotaryDim % 2 !== 0) c.invalid('rotary_dim', 'an even number')
  const rotary = plainRotary(rotaryDim, 10_000, 'interleaved')
  const tables = { table: 'wte.weight', vocabulary, width: hidden, tied: false, bias: true }
  const { table, head } = parts.embeddingAndHead(c, w, tables)
  c.ignore('n_ctx')
  c.expect('rotary', true, 'for GPT-J')
  c.expect('scale_attn_weights', true, 'for GPT-J')
  return {
    ...{ vocabulary, hidden, head, embedding: { table, width: hidden } },
    contextLength: parts.size(c, 'positions', ['n_positions', 'max_position_embeddings'], 2048),
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`h.${i}`)
      const up = at.linear('mlp.fc_in', inner, hidden, BIAS)
      return {
        residual: 'parallel',
        attentionNorm: norm(at, 'ln_1'),
        attention: {
          ...{ heads, kvHeads: heads, headDim, rotary, scale: headDim ** -0.5 },
          query: at.linear('attn.q_proj', hidden, hidden),
          key: at.linear('attn.k_proj', hidden, hidden),
          value: at.linear('attn.v_proj', hidden, hidden),
          output: at.linear('attn.out_proj', hidden, hidden),
        },
        feedForward: parts.dense(activation, inner, up, at.linear('mlp.fc_out', hidden, inner, BIAS)),
      }
    }),
    finalNorm: norm(w, 'ln_f'),
  }
})
