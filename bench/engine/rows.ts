import type { SampledRow } from '../../src/program/step.js'

/** What comes back for a row of which only the token is wanted. */
export const DEFAULT_ROW: SampledRow = {
  token: 0,
  logprob: Number.NaN,
  rank: 0,
  topIds: new Int32Array(0),
  topLogprobs: new Float32Array(0),
  candidateIds: new Int32Array(0),
  candidateLogprobs: new Float32Array(0),
}
