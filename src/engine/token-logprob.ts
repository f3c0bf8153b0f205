import type { SampledRow } from '../program/step.js'
import type { TokenLogprob } from './messages.js'

/** A row's report on the token it chose, or was asked about. */
export function tokenLogprob(id: number, row: SampledRow): TokenLogprob {
  return { id, logprob: row.logprob, rank: row.rank, top: topLogprobs(row) }
}

export function topLogprobs(row: SampledRow): TokenLogprob['top'] {
  return Array.from(row.topIds, (id, i) => ({ id, logprob: row.topLogprobs[i]! }))
}
