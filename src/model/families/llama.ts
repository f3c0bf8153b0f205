import { family } from '../family.js'
import {
  GATED_TENSORS,
  gatedActivation,
  gatedAttention,
  gatedDecoder,
  gatedFeedForward,
  readGatedSizes,
} from '../gated.js'

/** Llama 1 to 3 (Touvron et al. 2023; Grattafiori et al. 2024), with biases where a checkpoint has them. */
export const llama = family('llama', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 32000, hidden: 4096, layers: 32, heads: 32, inner: 11008, positions: 2048, theta: 10_000 },
  })
  const biases = c.bool('attention_bias', false)
  const dense = { activation: gatedActivation(c), bias: c.bool('mlp_bias', false) }
  return gatedDecoder(c, w, sizes, { epsilon: 1e-6, tied: false }, (at) => ({
    attention: gatedAttention(at.at('self_attn'), sizes, { biases }),
    feedForward: gatedFeedForward(at.at('mlp'), sizes, dense),
  }))
})
