import { family } from '../family.js'
import * as parts from '../parts.js'
import type { NormSpec } from '../spec.js'
import type { Tensors } from '../tensors.js'

const TENSORS = { prefixes: ['model.decoder.', 'decoder.', ''], probe: 'layers.0.fc1.weight' }
/** Learned positions begin at the third row: fairseq kept the first two for padding. */
const OFFSET = 2

/** OPT (Zhang et al. 2022): learned positions, norms before or (350m) after, embeddings that may be narrower. */
export const opt = family('opt', TENSORS, (c, w) => {
  const sizes = parts.readSizes(c, parts.USUAL_NAMES, { vocabulary: 50272, hidden: 768, layers: 12, heads: 12 })
  const { vocabulary, hidden, heads } = sizes
  const positions = parts.size(c, 'positions', 'max_position_embeddings', 2048)
  const inner = parts.size(c, 'inner', 'ffn_dim', 3072)
  const width = parts.size(c, 'hidden', 'word_embed_proj_dim', hidden)
  const activation = parts.activation(c, 'activation_function', 'relu')
  const headDim = parts.headDimOf(c, parts.USUAL_NAMES, sizes)
  const before = c.bool('do_layer_norm_before', true)
  const final = before && !c.bool('_remove_final_layer_norm', false)
  const bias = c.bool('enable_bias', true)
  const affine = c.bool('layer_norm_elementwise_affine', true)
  const norm = (at: Tensors, name: string): NormSpec => ({
    ...{ norm: 'layer', epsilon: 1e-5 },
    ...(affine && { weight: at.vector(`${name}.weight`, hidden), bias: at.vector(`${name}.bias`, hidden) }),
  })
  const { table, head } = parts.embeddingAndHead(c, w, { table: 'embed_tokens.weight', vocabulary, width, tied: true })
  const rows = positions + OFFSET
  return {
    ...{ vocabulary, hidden, head, contextLength: positions },
    embedding: {
      ...{ table, width },
      ...(width !== hidden && { projection: w.linear('project_in', hidden, width) }),
      positions: { table: w.matrix('embed_positions.weight', rows, hidden), rows, offset: OFFSET },
    },
    layers: parts.makeLayers(sizes.layers, (i) => {
      const at = w.at(`layers.${i}`)
      const square = (name: string) => at.linear(`self_attn.${name}`, hidden, hidden, { bias })
      const up = at.linear('fc1', inner, hidden, { bias })
      return {
        residual: before ? 'serial' : 'post-norm',
        attentionNorm: norm(at, 'self_attn_layer_norm'),
        feedForwardNorm: norm(at, 'final_layer_norm'),
        attention: {
          ...{ heads, kvHeads: heads, headDim, scale: headDim ** -0.5 },
          ...{ query: square('q_proj'), key: square('k_proj'), value: square('v_proj'), output: square('out_proj') },
        },
        feedForward: parts.dense(activation, inner, up, at.linear('fc2', hidden, inner, { bias })),
      }
    }),
    ...(final && { finalNorm: norm(w, 'final_layer_norm') }),
    ...(width !== hidden && { outputProjection: w.linear('project_out', width, hidden) }),
  }
})
