import type { Score, TokenLogprob } from './result.js'

/** Sums up a text's log-probabilities; the first token, which nothing predicts, has none. */
export function scoreOf(entries: readonly (TokenLogprob | undefined)[]): Score {
  const logprobs = entries.filter((entry) => entry !== undefined)
  const logLikelihood = logprobs.reduce((sum, entry) => sum + entry.logprob, 0)
  const meanNegativeLogLikelihood = -logLikelihood / logprobs.length
  return {
    tokens: logprobs.length,
    logLikelihood,
    meanNegativeLogLikelihood,
    perplexity: Math.exp(meanNegativeLogLikelihood),
    logprobs,
  }
}
