import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { decoderSpec } from '../../src/model/registry.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import {
  type Golden,
  goldenFolder,
  goldenFolders,
  greedyTokens,
  type LoadedModel,
  loadForTest,
  promptLogits,
  readGolden,
  relativeError,
} from '../support/golden.js'

test('a fused projection of another shape than config.json describes is refused', async () => {
  await using checkpoint = await openCheckpoint(goldenFolder('gpt_bigcode-multi-head').directory)
  const config = { ...checkpoint.config, multi_query: true, num_key_value_heads: 1 }
  const { query } = decoderSpec(config, (name) => checkpoint.tensors.has(name)).layers[0]!.attention
  await assert.rejects(checkpointReader(checkpoint).readRows(query.weight, 0, 0), { code: 'weight-shape' })
})

const TOLERANCE = 2e-4

for (const folder of goldenFolders()) {
  describe(folder.name, () => {
    let golden: Golden
    let model: LoadedModel
    before(async () => {
      golden = await readGolden(folder)
      model = await loadForTest(folder.directory)
    })
    after(() => model?.executor.close())

    test('computes the logits of every prompt position', async () => {
      for (const [i, prompt] of golden.prompts.entries()) {
        const error = relativeError(await promptLogits(model, prompt), golden.logits[i]!)
        assert.ok(error <= TOLERANCE, `prompt ${i} of ${prompt.length} tokens: relative error ${error}`)
      }
    })

    test('computes the same bits however a prompt is cut', async () => {
      const prompt = golden.prompts.find(({ length }) => length >= 33)!
      const whole = await promptLogits(model, prompt)
      for (const chunk of [1, 7, 16]) assert.deepEqual(await promptLogits(model, prompt, chunk), whole)
    })

    test('continues greedily with the same tokens', async () => {
      for (const [i, prompt] of golden.prompts.entries()) {
        const expected = golden.greedy[i]!
        assert.deepEqual(await greedyTokens(model, prompt, expected.length), expected, `prompt ${i}`)
      }
    })
  })
}
