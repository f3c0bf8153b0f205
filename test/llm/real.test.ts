import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LLM } from '../../src/index.js'
import { realPath, skipWithoutReal } from '../support/real.js'

interface Readouts {
  prompts: { prompt: string; n_tokens: number; model_top5_last: string[] }[]
}

async function withModel(name: string, use: (llm: LLM) => Promise<void>): Promise<void> {
  const llm = await LLM.load(realPath(name))
  try {
    await use(llm)
  } finally {
    await llm.close()
  }
}

test('stories15M finds real stories as likely as an independent implementation does', {
  skip: skipWithoutReal(),
}, async () => {
  const stories: string[] = JSON.parse(
    readFileSync(realPath('text/tinystories/tinystories_train_first1000.json'), 'utf8'),
  )
  await withModel('stories15M', async (llm) => {
    const texts = stories.slice(0, 20).map((story) => llm.tokenize(story).slice(0, 256))
    const scores = await Promise.all(texts.map((ids) => llm.score(ids)))
    const tokens = scores.reduce((sum, score) => sum + score.tokens, 0)
    const logLikelihood = scores.reduce((sum, score) => sum + score.logLikelihood, 0)
    assert.equal(tokens, 3691)
    assert.ok(Math.abs(-logLikelihood / tokens - 1.1302) < 0.002, `${-logLikelihood / tokens}`)
  })
})

test('stories15M ranks the next token as a third party computed', { skip: skipWithoutReal() }, async () => {
  const { prompts }: Readouts = JSON.parse(readFileSync(realPath('stories15M/top5-readouts.json'), 'utf8'))
  assert.equal(prompts.length, 12)
  await withModel('stories15M', async (llm) => {
    const results = await llm.generate(
      prompts.map(({ prompt }) => prompt),
      { maxTokens: 1, temperature: 0, logprobs: 5 },
    )
    for (const [i, { usage, choices }] of results.entries()) {
      const { n_tokens, model_top5_last } = prompts[i]!
      assert.equal(usage.promptTokens, n_tokens)
      const top = choices[0]!.logprobs![0]!.top.map(({ token }) => (token === '\n' ? '<0x0A>' : token))
      assert.deepEqual(top, model_top5_last)
    }
  })
})

test('prompt and output together are one text, the space between them included', {
  skip: skipWithoutReal(),
}, async () => {
  await withModel('stories15M', async (llm) => {
    for (const prompt of ['Once upon', 'Once upon a time, there was a']) {
      const { text, choices } = await llm.generate(prompt, { maxTokens: 10, temperature: 0 })
      assert.equal(
        prompt + text,
        llm
          .detokenize([...llm.tokenize(prompt), ...choices[0]!.tokenIds])
          .replace('<s>', '')
          .trim(),
      )
    }
  })
})

test('stories260K tells its published story from an empty prompt', { skip: skipWithoutReal() }, async () => {
  await withModel('stories260K', async (llm) => {
    const { text } = await llm.generate('', { maxTokens: 250, temperature: 0 })
    assert.ok(text.trimStart().startsWith(PUBLISHED), text)
  })
})

test('minimind2-small answers a question through its chat template', { skip: skipWithoutReal() }, async () => {
  await withModel('minimind2-small', async (llm) => {
    const { text, choices } = await llm.chat([{ role: 'user', content: 'What is the capital of France?' }])
    assert.equal(text, 'The capital of France is Paris.')
    assert.equal(choices[0]!.finishReason, 'stop')
  })
})

const PUBLISHED = [
  'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big,',
  'red ball. She wanted to play with it, but it was too high.\nLily\'s mom said, "Lily, let\'s go to the park." Lily was',
  'sad and didn\'t know what to do. She said, "I want to play with your ball, but I can\'t find it."\nLily was sad and',
  "didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to do.\"",
].join(' ')
