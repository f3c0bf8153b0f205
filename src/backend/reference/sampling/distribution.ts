import type { SamplingRow } from '../../../program/step.js'
import { banBadWords, banRepeatedNgrams, banTokens, banUnmasked } from './bans.js'
import { applyTemperature, keepMinP, keepTopK, keepTopP } from './filters.js'
import { addBias, penalizeOutput, penalizeRepetition } from './penalties.js'
import { largest } from './select.js'
import { weigh } from './weights.js'

/**
 * Penalties, biases and bans in their order; banned tokens have -Infinity. `logits` stay as they are, and are the result
 * where the row asks for nothing.
 */
export function processLogits(logits: Float32Array, row: SamplingRow): Float32Array {
  if (!asksForProcessing(row)) return logits
  const processed = logits.slice()
  penalizeRepetition(processed, row)
  penalizeOutput(processed, row)
  addBias(processed, row)
  banBadWords(processed, row)
  banRepeatedNgrams(processed, row)
  banTokens(processed, row)
  banUnmasked(processed, row)
  return processed
}

/**
 * What a draw at a positive temperature chooses from: relative log-weights (the best token has 0), -Infinity for what
 * top-k, top-p and min-p removed. At least one logit must be finite.
 */
export function shape(processed: Float32Array, row: SamplingRow): Float32Array {
  const scores = processed.slice()
  // Temperature keeps the order, so that top-k may come first: on logits that no rounding has made equal.
  keepTopK(scores, row.topK)
  applyTemperature(scores, row.temperature)
  keepTopP(scores, row.topP)
  keepMinP(scores, row.minP)
  return scores
}

/**
 * The probabilities that a row's token is drawn with, of raw logits. Greedy rows give all to one token; all are 0 where
 * `sample` would report a failure.
 */
export function distribution(logits: Float32Array, row: SamplingRow): Float32Array {
  const probabilities = new Float32Array(logits.length)
  const processed = processLogits(logits, row)
  const best = largest(logits) < 0 ? -1 : largest(processed)
  if (best < 0) return probabilities
  if (row.temperature === 0) {
    probabilities[best] = 1
    return probabilities
  }
  const { weights, total } = weigh(shape(processed, row))
  return probabilities.map((_, id) => weights[id]! / total)
}

/** Whether any of penalties, biases and bans applies. */
export function asksForProcessing(row: SamplingRow): boolean {
  return row.allowed !== undefined || asksForEdits(row)
}

/** Whether any does besides the mask. */
export function asksForEdits(row: SamplingRow): boolean {
  return (
    row.repetitionPenalty !== 1 ||
    row.presencePenalty !== 0 ||
    row.frequencyPenalty !== 0 ||
    row.biasIds.length > 0 ||
    row.badWords.length > 0 ||
    row.noRepeatNgram > 0 ||
    row.banned.length > 0
  )
}
