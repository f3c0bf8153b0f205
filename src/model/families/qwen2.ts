import type { Config } from '../config.js'
import { family } from '../family.js'
import {
  GATED_TENSORS,
  gatedActivation,
  gatedAttention,
  gatedDecoder,
  gatedFeedForward,
  layerWindows,
  readGatedSizes,
} from '../gated.js'

/** Qwen2 and 2.5 (Yang et al. 2024): Llama with biases on query, key and value, and windows in the upper layers. */
export const qwen2 = family('qwen2', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 151936, hidden: 4096, layers: 32, heads: 32, kvHeads: 32, inner: 22016 },
    ...{ positions: 32768, theta: 10_000 },
  })
  const windows = qwenWindows(c, sizes.layers)
  const dense = { activation: gatedActivation(c) }
  return gatedDecoder(c, w, sizes, { epsilon: 1e-6, tied: false }, (at, i) => ({
    attention: {
      ...gatedAttention(at.at('self_attn'), sizes, { biases: true, outputBias: false }),
      window: windows[i],
    },
    feedForward: gatedFeedForward(at.at('mlp'), sizes, dense),
  }))
})

/** Windows are off unless `use_sliding_window`; then layers from `max_window_layers` on have one. */
export function qwenWindows(c: Config, layers: number): (number | undefined)[] {
  const from = c.int('max_window_layers', 28, { min: 0 })
  const window = c.intOrNone('sliding_window', 4096)
  return layerWindows(c, layers, c.bool('use_sliding_window', false) ? window : undefined, (i) => i >= from)
}
