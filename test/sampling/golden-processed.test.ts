import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distribution } from '../../src/backend/reference/sampling/distribution.js'
import { goldenFolders, readGolden } from '../support/golden.js'
import { drawRow } from './plain-row.js'

for (const folder of goldenFolders()) {
  test(`processed distributions of ${folder.name} are those of transformers`, async (t) => {
    const { prompts, processed, logits, tensors } = await readGolden(folder)
    if (processed.length === 0) return t.skip('none recorded')
    for (const { prompt, temperature, top_k, top_p, repetition_penalty, tensor } of processed) {
      const expected = tensors.get(tensor)!
      const vocabulary = expected.length
      const history = Int32Array.from(prompts[prompt]!)
      const last = logits[prompt]!.subarray((history.length - 1) * vocabulary)
      const row = drawRow({ temperature, topK: top_k, topP: top_p, repetitionPenalty: repetition_penalty, history })
      const actual = distribution(last, row)
      for (const [id, probability] of expected.entries()) {
        assert.ok(Math.abs(actual[id]! - probability) < 1e-5, `${tensor}, token ${id}`)
        assert.equal(actual[id] === 0, probability === 0, `${tensor}, token ${id}`)
      }
    }
  })
}
