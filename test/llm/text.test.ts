import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { BUNDLED_MODEL, type GenerateOptions, isWarplineError, LLM } from '../../src/index.js'

const GREEDY: GenerateOptions = { maxTokens: 40, temperature: 0 }
const PROMPT = 'Once upon a time'

let llm: LLM
before(async () => {
  llm = await LLM.load(BUNDLED_MODEL)
})
after(() => llm.close())

test('the streamed text is the whole text, and that of its tokens', async () => {
  const generation = llm.generate(PROMPT, GREEDY)
  let streamed = ''
  for await (const part of generation) streamed += part.text
  const { text, choices } = await generation
  assert.equal(streamed, text)
  assert.equal(text, llm.detokenize(choices[0]!.tokenIds))
  assert.match(text, /[a-z]+ [a-z]+/)
})

test('a stop text ends the output, and neither it nor anything behind it is seen', async () => {
  const whole = (await llm.generate(PROMPT, GREEDY)).text
  // Cut inside words, so that the stop text begins within a token and ends within another.
  for (const [start, length] of [
    [10, 5],
    [17, 9],
    [30, 2],
  ] as const) {
    const stop = whole.slice(start, start + length)
    const expected = whole.slice(0, whole.indexOf(stop))
    const generation = llm.generate(PROMPT, { ...GREEDY, stop: ['never to be seen', stop] })
    let streamed = ''
    for await (const part of generation) streamed += part.text
    const result = await generation
    assert.equal(streamed, expected)
    assert.equal(result.text, expected)
    assert.equal(result.choices[0]!.finishReason, 'stop')
    assert.ok(result.usage.completionTokens < 40)
  }
})

test('a stop token ends the output and is not part of the text', async () => {
  const { choices } = await llm.generate(PROMPT, GREEDY)
  const stopId = choices[0]!.tokenIds[6]!
  const first = choices[0]!.tokenIds.indexOf(stopId)
  const stopped = await llm.generate(PROMPT, { ...GREEDY, stopTokenIds: [stopId] })
  assert.deepEqual(stopped.choices[0]!.tokenIds, choices[0]!.tokenIds.slice(0, first + 1))
  assert.equal(stopped.text, llm.detokenize(choices[0]!.tokenIds.slice(0, first)))
})

test('the checkpoint’s own defaults are used: this one samples, and the seed decides', async () => {
  const run = (seed?: number) => llm.generate(PROMPT, { maxTokens: 20, seed })
  const [a, again, b, random] = await Promise.all([run(1), run(1), run(2), run()])
  assert.equal(a.text, again.text)
  assert.notEqual(a.text, b.text)
  assert.notEqual(a.text, random.text)
})

test('a seed gives the same text alone and beside others', async () => {
  const alone = await llm.generate(PROMPT, { maxTokens: 20, seed: 5 })
  const others = ['The dog', 'A cat sat', 'One day'].map((prompt) => llm.generate(prompt, { maxTokens: 30, seed: 6 }))
  const beside = await llm.generate(PROMPT, { maxTokens: 20, seed: 5 })
  await Promise.all(others)
  assert.equal(beside.text, alone.text)
})

test('bad words do not appear', async () => {
  const prompt = 'Once upon a time, there was a little girl named'
  const options = { ...GREEDY, maxTokens: 20 }
  assert.match((await llm.generate(prompt, options)).text, /Lily/)
  assert.doesNotMatch((await llm.generate(prompt, { ...options, badWords: ['Lily'] })).text, /Lily/)
})

test('empty stop texts and bad words are mistakes', async () => {
  for (const options of [{ stop: '' }, { stop: ['x', ''] }, { badWords: [''] }]) {
    await assert.rejects(
      async () => await llm.generate(PROMPT, options),
      (error) => isWarplineError(error) && error.code === 'option-invalid',
    )
  }
})

test('an empty prompt begins a story from nothing', async () => {
  const { text, usage } = await llm.generate('', GREEDY)
  assert.equal(usage.promptTokens, 1)
  assert.match(text, /^[A-Z]/)
})

test('a chat goes on with the story', async () => {
  const said = 'Tom had a red kite.'
  const [chat, plain] = await Promise.all([
    llm.chat([{ role: 'user', content: said }], GREEDY),
    llm.generate(said, GREEDY),
  ])
  assert.equal(chat.text, plain.text)
})

test('mistakes in a chat are typed errors', async () => {
  const bad: [unknown, string][] = [
    [[], 'chat-invalid'],
    [[{ role: 'wizard', content: 'x' }], 'chat-invalid'],
    [[{ role: 'user', content: 5 }], 'chat-invalid'],
    [[{ role: 'user', content: '\ud800' }], 'chat-invalid'],
  ]
  for (const [messages, code] of bad) {
    await assert.rejects(
      async () => await llm.chat(messages as never),
      (error) => isWarplineError(error) && error.code === code,
    )
  }
  await assert.rejects(
    async () => await llm.chat([{ role: 'user', content: 'x' }], { responseFormat: { type: 'json_object' } }),
    (error) => isWarplineError(error) && error.code === 'option-unsupported',
  )
})

test('a lone surrogate in a prompt is a typed error', async () => {
  await assert.rejects(
    async () => await llm.generate('a\ud800b'),
    (error) => isWarplineError(error) && error.code === 'prompt-invalid',
  )
})

test('log-probabilities name their tokens as they stand within the text', async () => {
  const { text, choices } = await llm.generate(PROMPT, { ...GREEDY, maxTokens: 8, logprobs: 2 })
  assert.equal(choices[0]!.logprobs!.map(({ token }) => token).join(''), text)
})
