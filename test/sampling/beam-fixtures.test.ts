import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sample } from '../../src/backend/reference/sample.js'
import { DEFAULT_SAMPLING, type SamplingParameters } from '../../src/engine/sampling-parameters.js'
import { SamplingRows } from '../../src/engine/sampling-row.js'
import { type GoldenBeam, type LoadedModel, loadForTest, promptLogits } from '../support/golden.js'
import { runBeamSearch } from './run-beam-search.js'

function parametersOf(run: GoldenBeam): SamplingParameters {
  const other = run as unknown as Record<string, number | undefined>
  return {
    ...DEFAULT_SAMPLING,
    numBeams: run.num_beams,
    numReturn: run.sequences.length,
    numBeamGroups: other.num_beam_groups ?? 1,
    diversityPenalty: other.diversity_penalty ?? 0,
    lengthPenalty: run.length_penalty,
    earlyStopping: run.early_stopping,
    maxTokens: run.max_new_tokens,
    minTokens: other.min_new_tokens ?? 0,
    repetitionPenalty: other.repetition_penalty ?? 1,
    noRepeatNgramSize: other.no_repeat_ngram_size ?? 0,
    stopIds: [run.eos_token_id].flat(),
  }
}

/** Logits after any tokens; searches on one prompt ask for many of them again. */
function lastLogits(model: LoadedModel): (tokens: readonly number[]) => Promise<Float32Array> {
  const known = new Map<string, Promise<Float32Array>>()
  return (tokens) => {
    const key = tokens.join(' ')
    if (!known.has(key))
      known.set(
        key,
        promptLogits(model, tokens).then((all) => all.slice(-model.spec.vocabulary)),
      )
    return known.get(key)!
  }
}

/** Both were computed with the model of beam-early. */
function directoryOf(name: string): string {
  return fileURLToPath(new URL(`../fixtures/models/${name}/`, import.meta.url))
}

function recordOf(name: string): { readonly prompts: number[][]; readonly beam: GoldenBeam[] } {
  return JSON.parse(readFileSync(join(directoryOf(name), 'golden.json'), 'utf8'))
}

for (const name of ['beam-early', 'beam-diverse']) {
  test(`every beam search of ${name} finds its sequences and scores`, async () => {
    const { prompts, beam } = recordOf(name)
    const model = await loadForTest(directoryOf('beam-early'))
    const logitsAfter = lastLogits(model)
    assert.ok(beam.length > 40)
    for (const [i, run] of beam.entries()) {
      const prompt = prompts[run.prompt]!
      const parameters = parametersOf(run)
      const { hypotheses } = await runBeamSearch({ ...parameters, eosIds: parameters.stopIds }, async (output) => {
        const history = Int32Array.of(...prompt, ...output)
        const state = { promptLength: prompt.length, outputLength: output.length, sampleIndex: 0, topP: 1 }
        const row = new SamplingRows(parameters).row({ ...state, history })
        return sample(await logitsAfter([...history]), model.spec.vocabulary, [row])[0]!
      })
      assert.deepEqual(
        hypotheses.map(({ ids }) => ids),
        run.sequences,
        `run ${i}`,
      )
      for (const [place, { score, ids, finished }] of hypotheses.entries()) {
        assert.ok(Math.abs(score - run.scores[place]!) < 1e-3, `run ${i}: score ${score}, not ${run.scores[place]}`)
        assert.equal(finished, parameters.stopIds.includes(ids.at(-1)!))
      }
    }
    await model.executor.close()
  })
}
