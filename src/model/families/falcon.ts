import { alibiSlopes } from '../alibi.js'
import type { Config } from '../config.js'
import { family } from '../family.js'
import * as parts from '../parts.js'
import { type RotaryReading, readRotary } from '../rotary.js'
import { roundTo } from '../rounding.js'
import type { LayerSpec } from '../spec.js'
import type { Tensors } from '../tensors.js'

const TENSORS = { prefixes: ['transformer.', ''], probe: 'h.0.self_attention.dense.weight' }
const NAMES = { ...parts.USUAL_NAMES, hidden: ['n_embed', 'hidden_size'] } as const

/**
 * Falcon (Almazrouei et al. 2023). 7B: one key head, parallel residual from one norm. 40B and 11B
 * (`new_decoder_architecture`): grouped heads, parallel from two norms or one. RW: ALiBi, serial, a key for each query.
 */
export const falcon = family('falcon', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, NAMES, { vocabulary: 65024, hidden: 4544, layers: 32, heads: 71 })
  const { vocabulary, hidden } = sizes
  const inner = parts.size(c, 'inner', 'ffn_hidden_size', 4 * hidden)
  const norm = parts.layerNorm(c, 'layer_norm_epsilon', 1e-5, hidden)
  const activation = parts.activation(c, 'activation', 'gelu')
  const headDim = parts.headDimOf(c, NAMES, sizes)
  const shape = headShape(c, sizes.heads, headDim)
  const bias = c.bool('bias', false)
  const join = residualForm(c, norm)
  const { contextLength, ...position } = positionForm(c, shape)
  const tables = { table: 'word_embeddings.weight', vocabulary, width: hidden, tied: true }
  const { table, head } = parts.embeddingAndHead(c, w, tables)
  c.expect('apply_residual_connection_post_layernorm', false, 'for Falcon')
  return {
    ...{ vocabulary, hidden, head, contextLength, embedding: { table, width: hidden } },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`h.${i}`)
      const up = at.linear('mlp.dense_h_to_4h', inner, hidden, { bias })
      return {
        ...join(at),
        attention: {
          ...{ ...shape, ...position, scale: headDim ** -0.5 },
          ...parts.fusedQkv(at, 'self_attention.query_key_value', hidden, shape, { bias, interleaved: true }),
          output: at.linear('self_attention.dense', hidden, hidden, { bias }),
        },
        feedForward: parts.dense(activation, inner, up, at.linear('mlp.dense_4h_to_h', hidden, inner, { bias })),
      }
    }),
    finalNorm: norm(w, 'ln_f'),
  }
})

function isNew(c: Config): boolean {
  return c.bool('new_decoder_architecture', false)
}

function headShape(c: Config, heads: number, headDim: number): parts.HeadShape {
  const kvHeads = c.int('num_kv_heads', heads, { max: heads })
  parts.checkGroups(c, 'num_kv_heads', { heads, kvHeads })
  const multiQuery = c.bool('multi_query', true)
  if (isNew(c)) return { heads, kvHeads, headDim }
  if (multiQuery) return { heads, kvHeads: 1, headDim }
  if (kvHeads !== heads) c.unsupported('num_kv_heads', `without multi_query only ${heads} is supported`)
  return { heads, kvHeads, headDim }
}

function residualForm(
  c: Config,
  norm: parts.NormMaker,
): (at: Tensors) => Pick<LayerSpec, 'residual' | 'attentionNorm' | 'feedForwardNorm'> {
  const parallel = c.bool('parallel_attn', true)
  const norms = c.int('num_ln_in_parallel_attn', isNew(c) ? 2 : 1, { max: 2 })
  if (isNew(c) && !parallel) c.unsupported('parallel_attn', 'only true is supported with new_decoder_architecture')
  if (!isNew(c) && norms === 2) c.unsupported('num_ln_in_parallel_attn', 'only new_decoder_architecture supports 2')
  if (norms === 2) {
    return (at) => ({
      residual: 'parallel',
      attentionNorm: norm(at, 'ln_attn'),
      feedForwardNorm: norm(at, 'ln_mlp'),
    })
  }
  if (parallel) return (at) => ({ residual: 'parallel', attentionNorm: norm(at, 'input_layernorm') })
  return (at) => ({
    residual: 'serial',
    attentionNorm: norm(at, 'input_layernorm'),
    feedForwardNorm: norm(at, 'post_attention_layernorm'),
  })
}

/**
 * ALiBi as Falcon was trained with it: slopes and their products with positions in bfloat16, and the bias divided by
 * sqrt(headDim) as the dot product is.
 */
function positionForm(
  c: Config,
  { heads, headDim }: parts.HeadShape,
): { contextLength: number; rotary?: RotaryReading['rotary']; alibi?: number[]; alibiScale?: number } {
  const positions = parts.size(c, 'positions', 'max_position_embeddings', 2048)
  if (!c.bool('alibi', false)) return readRotary(c, { headDim, theta: 10_000, positions })
  c.ignore('rope_theta', 'rope_scaling', 'rope_parameters')
  const alibi = alibiSlopes(heads).map((slope) => roundTo('bf16', slope))
  return { contextLength: positions, alibi, alibiScale: headDim ** -0.5 }
}
