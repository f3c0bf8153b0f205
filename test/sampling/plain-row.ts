import { scoreRow } from '../../src/engine/sampling-row.js'
import type { SamplingRow } from '../../src/program/step.js'

/** A row that draws from the logits as they are, but for what is given. */
export function drawRow(given: Partial<SamplingRow> = {}): SamplingRow {
  return { ...scoreRow(-1, 0), mode: 'draw', logprobs: false, temperature: 1, ...given }
}

export function kept(probabilities: Float32Array): number[] {
  return [...probabilities.keys()].filter((id) => probabilities[id]! > 0)
}

/** Logits of the given probabilities. */
export function logitsOf(probabilities: readonly number[]): Float32Array {
  return Float32Array.from(probabilities, Math.log)
}
