import { family } from '../family.js'
import {
  GATED_TENSORS,
  gatedActivation,
  gatedAttention,
  gatedDecoder,
  gatedFeedForward,
  readGatedSizes,
} from '../gated.js'
import { rmsEpsilon, rmsNorm } from '../parts.js'
import { qwenWindows } from './qwen2.js'

/** Qwen3 (Yang et al. 2025): heads of their own width, each query and key head normalised before it turns. */
export const qwen3 = family('qwen3', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 151936, hidden: 4096, layers: 32, heads: 32, kvHeads: 32, headDim: 128, inner: 22016 },
    ...{ positions: 32768, theta: 10_000 },
  })
  const windows = qwenWindows(c, sizes.layers)
  const biases = c.bool('attention_bias', false)
  const headNorm = rmsNorm(rmsEpsilon(c, 1e-6), sizes.headDim)
  const dense = { activation: gatedActivation(c) }
  return gatedDecoder(c, w, sizes, { epsilon: 1e-6, tied: false }, (layer, i) => {
    const at = layer.at('self_attn')
    return {
      attention: {
        ...gatedAttention(at, sizes, { biases }),
        ...{ queryNorm: headNorm(at, 'q_norm'), keyNorm: headNorm(at, 'k_norm'), window: windows[i] },
      },
      feedForward: gatedFeedForward(layer.at('mlp'), sizes, dense),
    }
  })
})
