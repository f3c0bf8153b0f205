import { family } from '../family.js'
import * as parts from '../parts.js'

const TENSORS = { prefixes: ['transformer.', ''], probe: 'h.0.ln_1.weight' }
const BIAS = { bias: true }

/** SantaCoder, StarCoder (Li et al. 2023): GPT-2 with one key head for all query heads, products stored output-major. */
export const gptBigcode = family('gpt_bigcode', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, parts.GPT_NAMES, { vocabulary: 50257, hidden: 768, layers: 12, heads: 12 })
  const { vocabulary, hidden, heads } = sizes
  const positions = parts.size(c, 'positions', ['n_positions', 'max_position_embeddings'], 1024)
  const inner = parts.size(c, 'inner', 'n_inner', 4 * hidden)
  const norm = parts.layerNorm(c, 'layer_norm_epsilon', 1e-5, hidden)
  const activation = parts.activation(c, 'activation_function', 'gelu_pytorch_tanh')
  const multiQuery = c.bool('multi_query', true)
  const shape = { heads, kvHeads: multiQuery ? 1 : heads, headDim: parts.headDimOf(c, parts.GPT_NAMES, sizes) }
  const scale = c.bool('scale_attn_weights', true) ? shape.headDim ** -0.5 : 1
  const { table, head } = parts.embeddingAndHead(c, w, { table: 'wte.weight', vocabulary, width: hidden, tied: true })
  c.ignore('n_ctx')
  c.expect('num_key_value_heads', shape.kvHeads, `with "multi_query" ${multiQuery}`)
  return {
    ...{ vocabulary, hidden, head, contextLength: positions },
    embedding: {
      ...{ table, width: hidden },
      positions: { table: w.matrix('wpe.weight', positions, hidden), rows: positions, offset: 0 },
    },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`h.${i}`)
      const up = at.linear('mlp.c_fc', inner, hidden, BIAS)
      return {
        residual: 'serial',
        attentionNorm: norm(at, 'ln_1'),
        feedForwardNorm: norm(at, 'ln_2'),
        attention: {
          ...{ ...shape, scale },
          ...parts.fusedQkv(at, 'attn.c_attn', hidden, shape, { ...BIAS, interleaved: true }),
          output: at.linear('attn.c_proj', hidden, hidden, BIAS),
        },
        feedForward: parts.dense(activation, inner, up, at.linear('mlp.c_proj', hidden, inner, BIAS)),
      }
    }),
    finalNorm: norm(w, 'ln_f'),
  }
})
