import { largestIds } from '../../src/backend/reference/sampling/select.js'
import type { BeamRow, Hypothesis } from '../../src/engine/beam-group.js'
import { BeamSearch, type BeamSearchOptions } from '../../src/engine/beam-search.js'
import type { LanguageModel } from './naive-beam-search.js'

/** Runs a search in which `rowOf` says what a running beam's output may be followed by. */
export async function runBeamSearch(
  options: BeamSearchOptions,
  rowOf: (output: readonly number[], candidates: number) => BeamRow | Promise<BeamRow>,
): Promise<{ readonly hypotheses: Hypothesis[]; readonly steps: number }> {
  const search = new BeamSearch(options)
  let beams: (readonly number[])[] = [[]]
  for (let steps = 1; ; steps++) {
    const rows: BeamRow[] = []
    for (const output of beams) rows.push(await rowOf(output, search.candidatesNeeded))
    const { parents, tokens, done } = search.step(rows)
    if (done) return { hypotheses: search.finish(), steps }
    beams = Array.from(parents, (parent, i) => [...beams[parent]!, tokens[i]!])
  }
}

/** The best tokens of a language model's distribution. */
export function bestOf(model: LanguageModel): (output: readonly number[], candidates: number) => BeamRow {
  return (output, candidates) => {
    const logprobs = model(output)
    const candidateIds = largestIds(logprobs, candidates)
    return { candidateIds, candidateLogprobs: Float32Array.from(candidateIds, (id) => logprobs[id]!) }
  }
}
