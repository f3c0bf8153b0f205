import { alibiSlopes } from '../alibi.js'
import { family } from '../family.js'
import * as parts from '../parts.js'

const TENSORS = { prefixes: ['transformer.', ''], probe: 'h.0.input_layernorm.weight' }
const NAMES = { ...parts.GPT_NAMES, hidden: ['n_embed', 'hidden_size'] } as const
const BIAS = { bias: true }

/**
 * BLOOM (Scao et al. 2022): ALiBi in place of positions, a norm on the embedding, query, key and value head by head.
 * ALiBi itself has no longest text; the limit is `seq_length`, the length trained for, or BLOOM's 2048.
 */
export const bloom = family('bloom', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, NAMES, { vocabulary: 250880, hidden: 64, layers: 2, heads: 8 })
  const { vocabulary, hidden, heads } = sizes
  const inner = 4 * hidden
  const norm = parts.layerNorm(c, 'layer_norm_epsilon', 1e-5, hidden)
  const shape = { heads, kvHeads: heads, headDim: parts.headDimOf(c, NAMES, sizes) }
  const alibi = alibiSlopes(heads)
  const fromNorm = c.bool('apply_residual_connection_post_layernorm', false)
  const tables = { table: 'word_embeddings.weight', vocabulary, width: hidden, tied: true }
  const { table, head } = parts.embeddingAndHead(c, w, tables)
  c.expect('n_inner', inner, 'for BLOOM')
  c.ignore('offset_alibi', 'skip_bias_add', 'skip_bias_add_qkv', 'slow_but_exact', 'hidden_dropout')
  return {
    ...{ vocabulary, hidden, head },
    contextLength: parts.size(c, 'positions', ['seq_length', 'max_position_embeddings', 'n_positions'], 2048),
    embedding: { table, width: hidden, norm: norm(w, 'word_embeddings_layernorm') },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`h.${i}`)
      const up = at.linear('mlp.dense_h_to_4h', inner, hidden, BIAS)
      return {
        residual: fromNorm ? 'norm-residual' : 'serial',
        attentionNorm: norm(at, 'input_layernorm'),
        feedForwardNorm: norm(at, 'post_attention_layernorm'),
        attention: {
          ...{ ...shape, alibi, scale: shape.headDim ** -0.5 },
          ...parts.fusedQkv(at, 'self_attention.query_key_value', hidden, shape, { ...BIAS, interleaved: true }),
          output: at.linear('self_attention.dense', hidden, hidden, BIAS),
        },
        feedForward: parts.dense('gelu-tanh', inner, up, at.linear('mlp.dense_4h_to_h', hidden, inner, BIAS)),
      }
    }),
    finalNorm: norm(w, 'ln_f'),
  }
})
