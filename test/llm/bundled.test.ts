import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BUNDLED_MODEL, LLM } from '../../src/index.js'

/** What transformers computes with the bundled weights in float32; see tools/distill. */
interface Expected {
  prompt: string
  ids: number[]
  top5: { id: number; logit: number }[]
  greedyIds: number[]
  greedyText: string
}

const expected: Expected[] = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/bundled.json'), 'utf8'))

test('the bundled model fits into 16 MB', () => {
  const bytes = readdirSync(BUNDLED_MODEL).reduce((sum, file) => sum + statSync(join(BUNDLED_MODEL, file)).size, 0)
  assert.ok(bytes < 16e6, `${bytes} bytes`)
})

test('the bundled model writes what transformers writes with it', async () => {
  const llm = await LLM.load(BUNDLED_MODEL, { dtype: 'f32' })
  try {
    for (const { prompt, ids, top5, greedyIds, greedyText } of expected) {
      assert.deepEqual(llm.tokenize(prompt), ids)
      const options = { maxTokens: greedyIds.length, temperature: 0, ignoreEos: true, logprobs: 5 }
      const { text, choices } = await llm.generate(prompt, options)
      assert.deepEqual(choices[0]!.tokenIds, greedyIds)
      assert.equal(text, greedyText)
      const { top } = choices[0]!.logprobs![0]!
      assert.deepEqual(
        top.map(({ tokenId }) => tokenId),
        top5.map(({ id }) => id),
      )
      for (const [i, { logprob }] of top.entries()) {
        const difference = logprob - top[0]!.logprob - (top5[i]!.logit - top5[0]!.logit)
        assert.ok(Math.abs(difference) < 1e-3, `${difference}`)
      }
    }
  } finally {
    await llm.close()
  }
})
