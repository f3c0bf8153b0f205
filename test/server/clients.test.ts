import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChatOpenAI, OpenAI as LangchainCompletions, OpenAIEmbeddings } from '@langchain/openai'
import OpenAI from 'openai'
import { MODEL, testServer } from './support/server.js'

const KEY = 'sk-test'
const server = testServer({ apiKeys: [KEY] })
const client = () => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 })
const messages = [{ role: 'user' as const, content: 'Tell me a story' }]
const GREEDY = { model: MODEL, messages, max_tokens: 8, temperature: 0 }

test('openai: a chat, whole and streamed, is what the library answers', async () => {
  const expected = await server.llm.chat(messages, { maxTokens: 8, temperature: 0 })
  const whole = await client().chat.completions.create(GREEDY)
  assert.equal(whole.choices[0]!.message.content, expected.text)
  assert.equal(whole.choices[0]!.message.role, 'assistant')
  assert.equal(whole.choices[0]!.finish_reason, 'length')
  assert.equal(whole.usage!.completion_tokens, 8)
  const stream = await client().chat.completions.create({
    ...GREEDY,
    stream: true,
    stream_options: { include_usage: true },
  })
  const deltas = []
  let usage: OpenAI.CompletionUsage | null | undefined
  for await (const chunk of stream) {
    deltas.push(...chunk.choices.map((choice) => choice.delta))
    usage = chunk.usage
  }
  assert.deepEqual(deltas[0], { role: 'assistant', content: '' })
  assert.deepEqual(deltas.at(-1), {})
  assert.equal(deltas.map((delta) => delta.content ?? '').join(''), expected.text)
  assert.equal(usage!.completion_tokens, 8)
})

test('openai: several choices with log-probabilities', async () => {
  const { choices } = await client().chat.completions.create({
    ...GREEDY,
    temperature: 1,
    seed: 4,
    n: 3,
    logprobs: true,
    top_logprobs: 2,
  })
  assert.equal(choices.length, 3)
  for (const choice of choices) {
    const content = choice.logprobs!.content!
    assert.equal(content.map(({ token }) => token).join(''), choice.message.content)
    assert.equal(Buffer.from(content[0]!.bytes!).toString(), content[0]!.token)
    assert.equal(content[0]!.top_logprobs.length, 2)
    assert.ok(content[0]!.logprob <= 0)
  }
})

test('openai: the streaming helper assembles the message', async () => {
  const expected = await server.llm.chat(messages, { maxTokens: 8, temperature: 0 })
  const runner = client().chat.completions.stream(GREEDY)
  const completion = await runner.finalChatCompletion()
  assert.equal(completion.choices[0]!.message.content, expected.text)
})

test('openai: a stream that the client aborts frees the engine', async () => {
  const stream = await client().chat.completions.create({ ...GREEDY, max_tokens: 400, stream: true, temperature: 1 })
  for await (const _ of stream) break
  while (server.llm.stats().running > 0) await new Promise((resolve) => setTimeout(resolve, 5))
})

test('openai: completions, models, embeddings and errors', async () => {
  const completion = await client().completions.create({ model: MODEL, prompt: 'Once', max_tokens: 3, temperature: 0 })
  assert.equal(completion.choices.length, 1)
  const models = await client().models.list()
  assert.deepEqual(
    models.data.map(({ id }) => id),
    [MODEL],
  )
  assert.equal((await client().models.retrieve(MODEL)).id, MODEL)
  await assert.rejects(client().models.retrieve('nope'), OpenAI.NotFoundError)
  // The client asks for base64 and turns it into numbers.
  const { data } = await client().embeddings.create({ model: MODEL, input: ['a', 'b'] })
  assert.equal(data[1]!.embedding.length, server.llm.info.hidden)
  await assert.rejects(
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'no', maxRetries: 0 }).models.list(),
    (error) => {
      return error instanceof OpenAI.AuthenticationError && error.code === 'invalid_api_key'
    },
  )
  await assert.rejects(client().chat.completions.create({ ...GREEDY, n: 100 }), (error) => {
    return error instanceof OpenAI.BadRequestError && error.param === 'n' && /n has|n must|n is/.test(error.message)
  })
})

test('openai: content in parts', async () => {
  const parts = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Tell me a story' }] }]
  const whole = await client().chat.completions.create({ ...GREEDY, messages: parts })
  const expected = await server.llm.chat(messages, { maxTokens: 8, temperature: 0 })
  assert.equal(whole.choices[0]!.message.content, expected.text)
})

test('LangChain.js: invoke, stream, batch, completions and embeddings', async () => {
  const configuration = { baseURL: `${server.url}/v1` }
  const fields = { model: MODEL, apiKey: KEY, configuration, temperature: 0, maxTokens: 8, maxRetries: 0 }
  const chat = new ChatOpenAI(fields)
  const expected = await server.llm.chat(messages, { maxTokens: 8, temperature: 0 })
  const message = await chat.invoke([{ role: 'user', content: 'Tell me a story' }])
  assert.equal(message.content, expected.text)
  assert.equal(message.usage_metadata!.output_tokens, 8)
  let streamed = ''
  for await (const chunk of await chat.stream('Tell me a story')) streamed += chunk.content
  assert.equal(streamed, expected.text)
  const batch = await chat.batch(['Tell me a story', 'Tell me a story'])
  assert.deepEqual(
    batch.map(({ content }) => content),
    [expected.text, expected.text],
  )
  const completions = new LangchainCompletions(fields)
  const continued = await server.llm.generate('Once upon', { maxTokens: 8, temperature: 0 })
  assert.equal(await completions.invoke('Once upon'), continued.text)
  const embeddings = new OpenAIEmbeddings({ model: MODEL, apiKey: KEY, configuration, maxRetries: 0 })
  const vectors = await embeddings.embedDocuments(['a', 'b'])
  assert.deepEqual([vectors.length, vectors[0]!.length], [2, server.llm.info.hidden])
})
