import { kthLargest, largest } from './select.js'
import { weigh } from './weights.js'

/**
 * Temperature: logits to relative log-weights, (logit - largest logit) / temperature. The best token has exactly 0 and
 * nothing overflows, however low the temperature; a weight's exponential is relative to the best token's.
 */
export function applyTemperature(logits: Float32Array, temperature: number): void {
  const best = logits[largest(logits)]!
  for (let i = 0; i < logits.length; i++) logits[i] = (logits[i]! - best) / temperature
}

/** Top-k (Fan et al. 2018): removes all that are less than the k-th best. Tokens tied with it stay, as in transformers. */
export function keepTopK(scores: Float32Array, k: number): void {
  if (k === 0 || k >= scores.length) return
  const border = kthLargest(scores, k)
  for (let i = 0; i < scores.length; i++) if (scores[i]! < border) scores[i] = -Infinity
}

/**
 * Top-p (Holtzman et al. 2019): keeps the smallest set of likeliest tokens whose mass, of the mass that is left, reaches
 * p; at least one. Of tokens tied at the border the lowest ids stay. Takes relative log-weights.
 */
export function keepTopP(scores: Float32Array, p: number): void {
  if (p >= 1) return
  const { weights, total } = weigh(scores)
  // Tokens lighter than this weigh less than (1 - p) of the mass all together: none of them is in the set.
  const negligible = ((1 - p) * total) / (2 * weights.length)
  const ascending = above(weights, negligible).sort()

  let place = ascending.length - 1
  let mass = ascending[place]!
  while (place > 0 && mass < p * total) mass += ascending[--place]!

  const border = ascending[place]!
  let tiesLeft = 0
  for (let i = place; i < ascending.length && ascending[i] === border; i++) tiesLeft++
  for (let i = 0; i < weights.length; i++) {
    const kept = weights[i]! > border || (weights[i] === border && tiesLeft-- > 0)
    if (!kept) scores[i] = -Infinity
  }
}

/** Min-p (Nguyen et al. 2024): removes all that are less likely than this share of the best. Takes relative log-weights. */
export function keepMinP(scores: Float32Array, minP: number): void {
  if (minP === 0) return
  for (let i = 0; i < scores.length; i++) if (Math.exp(scores[i]!) < minP) scores[i] = -Infinity
}

function above(weights: Float64Array, limit: number): Float64Array {
  const found = new Float64Array(weights.length)
  let count = 0
  for (let i = 0; i < weights.length; i++) if (weights[i]! > limit) found[count++] = weights[i]!
  return found.subarray(0, count)
}
