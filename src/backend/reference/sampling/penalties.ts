import type { SamplingRow } from '../../../program/step.js'

/** Penalties and biases never make a logit infinite: what would overflow upwards stays here. */
const LARGEST_FLOAT = 3.4028234663852886e38

/**
 * Repetition penalty (CTRL, Keskar et al. 2019, with the sign rule of transformers): the logit of every token that
 * occurs in prompt or output is divided by the penalty if positive and multiplied by it if negative, once however often
 * it occurs.
 */
export function penalizeRepetition(logits: Float32Array, { history, repetitionPenalty }: SamplingRow): void {
  if (repetitionPenalty === 1) return
  for (const id of new Set(history)) {
    if (id < 0) continue
    const logit = logits[id]!
    logits[id] = Math.min(logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty, LARGEST_FLOAT)
  }
}

/**
 * Presence and frequency penalty (the OpenAI API): the logit of every token of the output loses the presence penalty
 * once and the frequency penalty for each time it occurs.
 */
export function penalizeOutput(logits: Float32Array, row: SamplingRow): void {
  const { history, promptLength, presencePenalty, frequencyPenalty } = row
  if (presencePenalty === 0 && frequencyPenalty === 0) return
  const counts = new Map<number, number>()
  for (const id of history.subarray(promptLength)) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const [id, count] of counts) {
    if (id >= 0) logits[id] = Math.min(logits[id]! - presencePenalty - frequencyPenalty * count, LARGEST_FLOAT)
  }
}

/** Logit bias (the OpenAI API): added to the token's logit. */
export function addBias(logits: Float32Array, { biasIds, biasValues }: SamplingRow): void {
  for (const [i, id] of biasIds.entries()) logits[id] = Math.min(logits[id]! + biasValues[i]!, LARGEST_FLOAT)
}
