import { family } from '../family.js'
import {
  GATED_TENSORS,
  gatedActivation,
  gatedAttention,
  gatedDecoder,
  gatedFeedForward,
  readGatedSizes,
} from '../gated.js'

/** Mistral 7B (Jiang et al. 2023): Llama with a sliding window, 4096 unless the file says otherwise (null: none). */
export const mistral = family('mistral', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 32000, hidden: 4096, layers: 32, heads: 32, kvHeads: 8, inner: 14336 },
    ...{ positions: 131072, theta: 10_000 },
  })
  const window = c.intOrNone('sliding_window', 4096)
  const dense = { activation: gatedActivation(c) }
  return gatedDecoder(c, w, sizes, { epsilon: 1e-6, tied: false }, (at) => ({
    attention: { ...gatedAttention(at.at('self_attn'), sizes), window },
    feedForward: gatedFeedForward(at.at('mlp'), sizes, dense),
  }))
})
