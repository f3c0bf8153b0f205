/**
 * Relative log-weights (the best token has 0, removed ones -Infinity) to weights, exp(score), and their sum. Both are
 * doubles, added in token-id order.
 */
export function weigh(scores: Float32Array): { readonly weights: Float64Array; readonly total: number } {
  const weights = new Float64Array(scores.length)
  let total = 0
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] === -Infinity) continue
    const weight = Math.exp(scores[i]!)
    weights[i] = weight
    total += weight
  }
  return { weights, total }
}
