import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { uniform } from '../../src/backend/reference/sampling/philox.js'
import type { SamplingParameters } from '../../src/engine/sampling-parameters.js'
import {
  type Golden,
  type GoldenBeam,
  type GoldenProcessed,
  goldenFolder,
  goldenFolders,
  loadForTest,
  readGolden,
} from '../support/golden.js'
import { AheadExecutor } from './support/ahead-executor.js'
import type { Harness } from './support/harness.js'
import { engineOn } from './support/model-engine.js'

for (const folder of goldenFolders()) {
  test(`${folder.name}: greedy tokens, beams and draws, all in one batch, running ahead or not`, async () => {
    const model = await loadForTest(folder.directory, { blocks: 64, maxTokens: 48 })
    const golden = await readGolden(folder)
    // Some of these runs go beyond what the model was stretched to.
    const longest = Math.max(...golden.prompts.map((prompt, i) => prompt.length + golden.greedy[i]!.length))
    for (const executor of [model.executor, new AheadExecutor(model.executor)]) {
      const client = engineOn({ ...model, executor }, { contextLength: longest })
      await Promise.all([
        ...golden.greedy.map((ids, i) => checkGreedy(client, golden.prompts[i]!, ids)),
        ...golden.beam.map((run) => checkBeam(client, golden.prompts, run)),
        ...golden.processed.map((run) => checkDraws(client, golden, run)),
      ])
      client.assertIdle()
      await client.engine.close()
    }
    await model.executor.close()
  })
}

test('beam-diverse: groups of beams', async () => {
  const model = await loadForTest(goldenFolder('beam-early').directory, { blocks: 64, maxTokens: 48 })
  const file = new URL('../fixtures/models/beam-diverse/golden.json', import.meta.url)
  const golden: Pick<Golden, 'prompts' | 'beam'> = JSON.parse(await readFile(file, 'utf8'))
  const client = engineOn(model)
  await Promise.all(golden.beam.map((run) => checkBeam(client, golden.prompts, run)))
  client.assertIdle()
  await model.executor.close()
})

async function checkGreedy({ run }: Harness, prompt: readonly number[], expected: readonly number[]): Promise<void> {
  const { choices } = await run({ prompt, parameters: { maxTokens: expected.length } })
  assert.deepEqual(choices[0]!.ids, expected)
}

async function checkBeam({ run }: Harness, prompts: Golden['prompts'], golden: GoldenBeam): Promise<void> {
  const { choices } = await run({ prompt: prompts[golden.prompt]!, parameters: beamParameters(golden) })
  const stopIds = [golden.eos_token_id].flat()
  const longest = Math.max(...golden.sequences.map((ids) => ids.length))
  assert.equal(choices.length, golden.sequences.length)
  for (const [i, choice] of choices.entries()) {
    const ended = stopIds.includes(choice.ids.at(-1)!)
    const expected = golden.sequences[i]!
    const padding = expected.slice(choice.ids.length)
    assert.deepEqual([...choice.ids, ...padding], expected)
    assert(padding.length === 0 || (ended && expected.length === longest), 'only what ended is padded')
    assert.equal(choice.reason, ended ? 'stop' : 'length')
    const scale = Math.max(1, Math.abs(golden.scores[i]!))
    assert(Math.abs(choice.score! - golden.scores[i]!) < 1e-3 * scale, `${choice.score} for ${golden.scores[i]}`)
  }
}

function beamParameters(golden: GoldenBeam): Partial<SamplingParameters> {
  const number = (name: string, fallback: number) => (golden[name] as number | undefined) ?? fallback
  return {
    numBeams: golden.num_beams,
    numReturn: golden.num_return_sequences ?? golden.num_beams,
    numBeamGroups: number('num_beam_groups', 1),
    diversityPenalty: number('diversity_penalty', 0),
    lengthPenalty: golden.length_penalty,
    earlyStopping: golden.early_stopping,
    maxTokens: golden.max_new_tokens,
    minTokens: number('min_new_tokens', 0),
    repetitionPenalty: number('repetition_penalty', 1),
    noRepeatNgramSize: number('no_repeat_ngram_size', 0),
    stopIds: [golden.eos_token_id].flat(),
  }
}

/** Each draw is the golden distribution inverted at the number that seed, position and sample index give. */
async function checkDraws({ run }: Harness, golden: Golden, processed: GoldenProcessed): Promise<void> {
  const prompt = golden.prompts[processed.prompt]!
  const probabilities = golden.tensors.get(processed.tensor)!
  const { temperature, top_k: topK, top_p: topP, repetition_penalty: repetitionPenalty } = processed
  const seed = 0x1234_5678_9abc_def0n
  const parameters = { temperature, topK, topP, repetitionPenalty, seed, n: 16, maxTokens: 1 }
  const { choices } = await run({ prompt, parameters })
  for (const [index, { ids }] of choices.entries()) {
    const u = uniform(Number(seed & 0xffffffffn), Number(seed >> 32n), prompt.length, index)
    const below = probabilities.subarray(0, ids[0]!).reduce((sum, p) => sum + p, 0)
    const upTo = below + probabilities[ids[0]!]!
    assert(probabilities[ids[0]!]! > 0, 'what was filtered out is never drawn')
    assert(below - 1e-4 <= u && u <= upTo + 1e-4, `${u} lies in ${below}..${upTo}`)
  }
}
