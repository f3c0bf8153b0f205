import { weigh } from './weights.js'

/**
 * Inverts the cumulative distribution in token-id order: the first token whose weights, summed up to and including it,
 * exceed `u` (in [0, 1)) times the sum of all. Takes relative log-weights; removed tokens are never drawn.
 */
export function drawToken(scores: Float32Array, u: number): number {
  const { weights, total } = weigh(scores)
  let token = -1
  let sum = 0
  while (sum <= u * total) sum += weights[++token]!
  return token
}
