import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { greedyTokens, loadForTest, promptLogits } from '../support/golden.js'
import { realPath, skipWithoutReal } from '../support/real.js'

interface Readouts {
  readonly prompts: readonly {
    readonly context_tokens: readonly string[]
    readonly model_top5_last: readonly string[]
  }[]
}

/** Token ids by their spelling, SentencePiece's mark written as a space. */
function readVocabulary(model: string): Map<string, number> {
  const entries = Object.entries<number>(readJson(model, 'tokenizer.json').model.vocab)
  return new Map(entries.map(([token, id]) => [token.replaceAll('▁', ' '), id]))
}

function readJson(...path: string[]) {
  return JSON.parse(readFileSync(realPath(...path), 'utf8'))
}

test('stories260K begins the story that it is known for', { skip: skipWithoutReal('stories260K') }, async () => {
  const vocabulary = readVocabulary('stories260K')
  const tokens = new Map([...vocabulary].map(([token, id]) => [id, token]))
  const model = await loadForTest(realPath('stories260K'))
  const story = await greedyTokens(model, [vocabulary.get('<s>')!], 30)
  const text = story.map((id) => tokens.get(id)).join('')
  assert.ok(text.startsWith(' Once upon a time, there was a little girl named Lily. She loved to play outside'), text)
  await model.executor.close()
})

test('stories15M ranks the next tokens as others computed', { skip: skipWithoutReal('stories15M') }, async () => {
  const vocabulary = readVocabulary('stories15M')
  const idsOf = (tokens: readonly string[]) => tokens.map((token) => vocabulary.get(token)!)
  const { prompts }: Readouts = readJson('stories15M', 'top5-readouts.json')
  const model = await loadForTest(realPath('stories15M'), { blocks: 4, maxTokens: 64 })
  for (const { context_tokens, model_top5_last } of prompts.slice(0, 4)) {
    const logits = await promptLogits(model, idsOf(context_tokens))
    assert.ok(logits.every(Number.isFinite))
    const last = logits.subarray(logits.length - model.spec.vocabulary)
    const order = [...last.keys()].sort((a, b) => last[b]! - last[a]!).slice(0, 5)
    assert.deepEqual(order, idsOf(model_top5_last), context_tokens.join(''))
  }
  await model.executor.close()
})
