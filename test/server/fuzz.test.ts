import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LLM } from '../../src/index.js'
import { fuzz } from './support/fuzz.js'
import { chatModel } from './support/models.js'

test('malformed requests are answered, and leave nothing behind', async () => {
  const llm = await LLM.load(chatModel())
  try {
    const { statuses } = await fuzz(llm, 300, 1)
    assert.ok(statuses[200]! > 0 && statuses[400]! > 0, JSON.stringify(statuses))
  } finally {
    await llm.close()
  }
})
