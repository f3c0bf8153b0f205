import type { SampledRow } from '../../../program/step.js'
import { largest, largestIds } from './select.js'

/** log(sum(exp(logits))), summed as doubles in token-id order. */
export function logSumExp(logits: Float32Array): number {
  const best = logits[largest(logits)]!
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - best)
  return best + Math.log(sum)
}

/** Log-softmax. */
export function logProbabilities(logits: Float32Array): Float32Array {
  const normalizer = logSumExp(logits)
  return logits.map((logit) => logit - normalizer)
}

/** Place of a token among the logits, best first, ties by lowest id; the best has 1. */
export function rankOf(logits: Float32Array, token: number): number {
  const logit = logits[token]!
  let rank = 1
  for (let i = 0; i < logits.length; i++) {
    if (logits[i]! > logit || (logits[i] === logit && i < token)) rank++
  }
  return rank
}

/** What a row reports about `token` and the `count` likeliest tokens; log-probabilities are rounded to float32. */
export function describe(
  logits: Float32Array,
  token: number | undefined,
  count: number,
): Pick<SampledRow, 'logprob' | 'rank' | 'topIds' | 'topLogprobs'> {
  const topIds = largestIds(logits, count)
  const normalizer = token !== undefined || count > 0 ? logSumExp(logits) : 0
  return {
    logprob: token === undefined ? Number.NaN : Math.fround(logits[token]! - normalizer),
    rank: token === undefined ? 0 : rankOf(logits, token),
    topIds,
    topLogprobs: Float32Array.from(topIds, (id) => logits[id]! - normalizer),
  }
}
