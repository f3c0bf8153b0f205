import type { SampledRow, SamplingRow } from '../../program/step.js'
import { processLogits, shape } from './sampling/distribution.js'
import { drawToken } from './sampling/draw.js'
import { describe, logProbabilities, rankOf } from './sampling/log-probabilities.js'
import { uniform } from './sampling/philox.js'
import { largest, largestIds } from './sampling/select.js'

/**
 * The `sample` operation: each row's logits to a token, candidates or log-probabilities. logits: [rows, vocabulary], raw
 * and left as they are. A row depends on nothing but its own logits and `SamplingRow`.
 *
 * This is its definition for every backend. A row is processed in this order, each step on the result of the last:
 *  1. repetition penalty, 2. presence and frequency penalty, 3. logit bias        (sampling/penalties.ts)
 *  4. bad words, repeated n-grams, suppressed tokens, too early end tokens, mask  (sampling/bans.ts)
 *  5. temperature, 6. top-k, 7. top-p, 8. min-p                                   (sampling/filters.ts)
 *  9. a draw by inverting the cumulative distribution in token-id order           (sampling/draw.ts)
 *     at a number that Philox makes of seed, position and sample index            (sampling/philox.ts)
 * Temperature 0 takes the largest logit after step 4, the lowest id on a tie; steps 5 to 9 would not change it.
 * A beam's row takes log-softmax of the raw logits first and steps 1 to 4 on that, as transformers' beam search does.
 */
export function sample(logits: Float32Array, vocabulary: number, rows: readonly SamplingRow[]): SampledRow[] {
  return rows.map((row, i) => sampleRow(logits.subarray(i * vocabulary, (i + 1) * vocabulary), row))
}

function sampleRow(logits: Float32Array, row: SamplingRow): SampledRow {
  const best = largest(logits)
  if (best < 0) return failed('logits-not-finite')
  if (row.mode === 'score') return { ...NOTHING, ...report(logits, row, row.target) }
  return row.mode === 'beam' ? beamRow(logits, row) : drawnRow(logits, row, best)
}

function drawnRow(logits: Float32Array, row: SamplingRow, best: number): SampledRow {
  const processed = processLogits(logits, row)
  const allowed = processed === logits ? best : largest(processed)
  if (allowed < 0) return failed('nothing-allowed')
  const token =
    row.temperature === 0
      ? allowed
      : drawToken(shape(processed, row), uniform(row.seedLow, row.seedHigh, row.position, row.sampleIndex))
  return { ...NOTHING, ...report(logits, row, token), token }
}

function beamRow(logits: Float32Array, row: SamplingRow): SampledRow {
  const raw = logProbabilities(logits)
  const processed = processLogits(raw, row)
  const candidateIds = largestIds(processed, row.candidates)
  if (candidateIds.length === 0) return failed('nothing-allowed')
  const candidateLogprobs = Float32Array.from(candidateIds, (id) => processed[id]!)
  const candidates = { ...NOTHING, ...report(logits, row), candidateIds, candidateLogprobs }
  if (!row.logprobs) return candidates
  return {
    ...candidates,
    candidateRawLogprobs: Float32Array.from(candidateIds, (id) => raw[id]!),
    candidateRanks: candidateIds.map((id) => rankOf(logits, id)),
  }
}

function report(logits: Float32Array, row: SamplingRow, token?: number) {
  return describe(logits, row.logprobs ? token : undefined, row.topLogprobs)
}

const NOTHING: SampledRow = {
  token: -1,
  logprob: Number.NaN,
  rank: 0,
  topIds: new Int32Array(0),
  topLogprobs: new Float32Array(0),
  candidateIds: new Int32Array(0),
  candidateLogprobs: new Float32Array(0),
}

function failed(failure: NonNullable<SampledRow['failure']>): SampledRow {
  return { ...NOTHING, failure }
}
