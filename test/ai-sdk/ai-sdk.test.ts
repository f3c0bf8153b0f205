import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { embedMany, generateText, NoSuchModelError, streamText } from 'ai'
import { createWarpline, type WarplineProvider } from '../../src/ai-sdk/index.js'
import { isWarplineError, LLM } from '../../src/index.js'
import { chatModel } from '../server/support/models.js'

let llm: LLM
let warpline: WarplineProvider
before(async () => {
  llm = await LLM.load(chatModel())
  warpline = createWarpline(llm)
})
after(() => llm.close())

const prompt = 'Tell me a story'
const messages = [{ role: 'user' as const, content: prompt }]

test('generateText gives what the library answers, with usage', async () => {
  const expected = await llm.chat(messages, { maxTokens: 8, temperature: 0 })
  const result = await generateText({ model: warpline(), prompt, maxOutputTokens: 8, temperature: 0 })
  assert.equal(result.text, expected.text)
  assert.equal(result.finishReason, 'length')
  assert.equal(result.usage.inputTokens, expected.usage.promptTokens)
  assert.equal(result.usage.outputTokens, 8)
  assert.ok(result.providerMetadata!.warpline!.timing)
})

test('streamText streams the same text', async () => {
  const expected = await llm.chat(messages, { maxTokens: 8, temperature: 0 })
  const result = streamText({ model: warpline(), prompt, maxOutputTokens: 8, temperature: 0 })
  const deltas: string[] = []
  for await (const delta of result.textStream) deltas.push(delta)
  assert.ok(deltas.length > 1)
  assert.equal(deltas.join(''), expected.text)
  assert.equal(await result.finishReason, 'length')
  assert.equal((await result.usage).outputTokens, 8)
})

test('system and earlier messages, stop sequences and seeds reach the model', async () => {
  const conversation = [
    { role: 'system' as const, content: 'Be brief' },
    { role: 'user' as const, content: 'Hi' },
    { role: 'assistant' as const, content: 'Hello' },
    { role: 'user' as const, content: prompt },
  ]
  const options = { temperature: 1, seed: 9, topK: 5 }
  const expected = await llm.chat(conversation, { ...options, maxTokens: 12, stop: '.' })
  const { text, finishReason } = await generateText({
    model: warpline(llm.info.name),
    messages: conversation,
    maxOutputTokens: 12,
    stopSequences: ['.'],
    ...options,
  })
  assert.equal(text, expected.text)
  assert.equal(finishReason, expected.choices[0]!.finishReason)
})

test('options without a name of the SDK go through providerOptions', async () => {
  const expected = await llm.chat(messages, { maxTokens: 8, temperature: 0, repetitionPenalty: 3 })
  const model = warpline()
  const providerOptions = { warpline: { repetitionPenalty: 3 } }
  const { text } = await generateText({ model, prompt, maxOutputTokens: 8, temperature: 0, providerOptions })
  assert.equal(text, expected.text)
  const wrong = generateText({ model, prompt, maxRetries: 0, providerOptions: { warpline: { repetition: 3 } } })
  await assert.rejects(wrong, (error) => isWarplineError(error) && error.code === 'option-unknown')
})

test('an aborted call rejects and frees the engine', async () => {
  const controller = new AbortController()
  const call = generateText({
    model: warpline(),
    prompt,
    abortSignal: controller.signal,
    temperature: 1,
    maxOutputTokens: 400,
  })
  setTimeout(() => controller.abort(), 30)
  await assert.rejects(call, { name: 'AbortError' })
  const stopped = streamText({ model: warpline(), prompt, temperature: 1, maxOutputTokens: 400 })
  for await (const _ of stopped.textStream) break
  const end = performance.now() + 10_000
  while (llm.stats().running > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(llm.stats().running, 0)
  assert.equal(llm.stats().freeBlocks, llm.stats().blocks)
})

test('embedMany gives the library’s vectors', async () => {
  const { embeddings, usage } = await embedMany({ model: warpline.embeddingModel(), values: ['a', 'Hello'] })
  const expected = await llm.embed(['a', 'Hello'])
  assert.deepEqual(
    embeddings,
    expected.map(({ vector }) => Array.from(vector)),
  )
  assert.equal(usage.tokens, expected[0]!.tokens + expected[1]!.tokens)
})

test('other models are unknown, and files are refused', async () => {
  assert.throws(() => warpline('gpt-5'), NoSuchModelError.isInstance)
  assert.throws(() => warpline.imageModel('x'), NoSuchModelError.isInstance)
  const image = { type: 'file' as const, data: new Uint8Array([1]), mediaType: 'application/pdf' }
  const call = generateText({ model: warpline(), messages: [{ role: 'user', content: [image] }], maxRetries: 0 })
  await assert.rejects(call, /files in a prompt/)
})
