import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventsOf, MODEL, testServer } from './support/server.js'

const server = testServer()
const GREEDY = { model: MODEL, prompt: 'Once upon a time', max_tokens: 6, temperature: 0 }

test('a completion is what the library generates, in OpenAI’s words', async () => {
  const expected = await server.llm.generate('Once upon a time', { maxTokens: 6, temperature: 0 })
  const { status, body } = await server.json('/v1/completions', GREEDY)
  assert.equal(status, 200)
  assert.match(body.id, /^cmpl-/)
  assert.equal(body.object, 'text_completion')
  assert.equal(body.model, MODEL)
  assert.deepEqual(body.choices, [{ index: 0, text: expected.text, logprobs: null, finish_reason: 'length' }])
  const { prompt_tokens, completion_tokens, total_tokens } = body.usage
  assert.deepEqual([prompt_tokens, completion_tokens, total_tokens], [4, 6, 10])
})

test('a stream joins to the whole answer, and ends with usage and [DONE]', async () => {
  const whole = await server.json('/v1/completions', GREEDY)
  const response = await server.post('/v1/completions', {
    ...GREEDY,
    stream: true,
    stream_options: { include_usage: true },
  })
  assert.match(response.headers.get('content-type')!, /^text\/event-stream/)
  const events = eventsOf(await response.text())
  assert.equal(events.at(-1), '[DONE]')
  const chunks = events.slice(0, -1).map((data) => JSON.parse(data))
  const last = chunks.pop()
  assert.deepEqual([last.choices, last.usage.completion_tokens], [[], 6])
  assert.ok(chunks.every((chunk) => chunk.usage === null && chunk.object === 'text_completion'))
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), whole.body.choices[0].text)
  assert.deepEqual(
    chunks.map((chunk) => chunk.choices[0].finish_reason).filter((reason) => reason !== null),
    ['length'],
  )
})

test('without include_usage no chunk speaks of usage', async () => {
  const response = await server.post('/v1/completions', { ...GREEDY, stream: true })
  const chunks = eventsOf(await response.text()).slice(0, -1)
  assert.ok(chunks.every((data) => !('usage' in JSON.parse(data))))
})

test('prompts come as texts, ids and arrays of either', async () => {
  const ids = server.llm.tokenize('Once upon a time')
  for (const prompt of [ids, ['Once upon a time'], [ids], ['Once upon a time', 'The'], [ids, ids]]) {
    const { status, body } = await server.json('/v1/completions', { ...GREEDY, prompt })
    assert.equal(status, 200)
    const count = Array.isArray(prompt[0]) || typeof prompt[0] === 'string' ? prompt.length : 1
    assert.deepEqual(
      body.choices.map((choice: { index: number }) => choice.index),
      [...Array(count).keys()],
    )
    assert.equal(body.choices[0].text, ', there was a little girl')
  }
})

test('choices of several prompts are numbered through, streamed ones too', async () => {
  const request = { ...GREEDY, prompt: ['Once', 'The'], n: 2, temperature: 1, seed: 7 }
  const { body } = await server.json('/v1/completions', request)
  const texts = body.choices.map((choice: { text: string }) => choice.text)
  assert.equal(texts.length, 4)
  const response = await server.post('/v1/completions', { ...request, stream: true })
  const streamed = ['', '', '', '']
  for (const data of eventsOf(await response.text()).slice(0, -1)) {
    const [choice] = JSON.parse(data).choices
    streamed[choice.index] += choice.text
  }
  assert.deepEqual(streamed, texts)
})

test('echo gives the prompt back, with its log-probabilities where asked for', async () => {
  const { body } = await server.json('/v1/completions', { ...GREEDY, echo: true, logprobs: 2, max_tokens: 2 })
  const [{ text, logprobs }] = body.choices
  assert.equal(text, 'Once upon a time, there')
  assert.deepEqual(logprobs.tokens, ['Once', ' upon', ' a', ' time', ',', ' there'])
  assert.deepEqual(logprobs.text_offset, [0, 4, 9, 11, 16, 17])
  assert.equal(logprobs.token_logprobs[0], null)
  const score = await server.llm.score('Once upon a time')
  assert.deepEqual(
    logprobs.token_logprobs.slice(1, 4),
    score.logprobs.map((entry) => entry.logprob),
  )
  assert.ok(Object.keys(logprobs.top_logprobs[1]).length >= 2)
})

test('no new tokens and echo: a text is scored', async () => {
  const prompt = ['Once upon a time', 'Hello']
  const { body } = await server.json('/v1/completions', { ...GREEDY, prompt, echo: true, logprobs: 1, max_tokens: 0 })
  const score = await server.llm.score('Once upon a time')
  assert.deepEqual(body.choices[0].logprobs.token_logprobs, [null, ...score.logprobs.map((entry) => entry.logprob)])
  assert.equal(body.choices[0].text, 'Once upon a time')
  assert.equal(body.usage.completion_tokens, 0)
  const refused = await server.json('/v1/completions', { ...GREEDY, max_tokens: 0 })
  assert.deepEqual([refused.status, refused.body.error.param], [400, 'max_tokens'])
})

test('log-probabilities are streamed with their offsets', async () => {
  const whole = await server.json('/v1/completions', { ...GREEDY, logprobs: 1 })
  const response = await server.post('/v1/completions', { ...GREEDY, logprobs: 1, stream: true })
  const chunks = eventsOf(await response.text()).slice(0, -1)
  const columns = chunks.map((data) => JSON.parse(data).choices[0].logprobs)
  for (const name of ['tokens', 'token_logprobs', 'text_offset'] as const) {
    assert.deepEqual(
      columns.flatMap((each) => each[name]),
      whole.body.choices[0].logprobs[name],
      name,
    )
  }
})

test('best_of returns the likeliest of those made, and counts all of them', async () => {
  const request = { ...GREEDY, temperature: 1, seed: 3, logprobs: 0 }
  const all = await server.json('/v1/completions', { ...request, n: 4 })
  const mean = (choice: { logprobs: { token_logprobs: number[] } }) =>
    choice.logprobs.token_logprobs.reduce((sum, value) => sum + value, 0) / choice.logprobs.token_logprobs.length
  const best = [...all.body.choices].sort((a, b) => mean(b) - mean(a))[0]
  const { body } = await server.json('/v1/completions', { ...request, n: 1, best_of: 4 })
  assert.deepEqual(
    body.choices.map((choice: { text: string }) => choice.text),
    [best.text],
  )
  assert.equal(body.usage.completion_tokens, 24)
})

test('beam search returns its hypotheses', async () => {
  const expected = await server.llm.generate('Once', { numBeams: 4, n: 2, maxTokens: 6 })
  const request = { prompt: 'Once', max_tokens: 6, use_beam_search: true, best_of: 4, n: 2 }
  const { body } = await server.json('/v1/completions', request)
  assert.deepEqual(
    body.choices.map((choice: { text: string }) => choice.text),
    expected.choices.map((choice) => choice.text),
  )
})

test('each decoding field reaches the library', async () => {
  const cases: [object, object][] = [
    [{ stop: ' was' }, { stop: ' was' }],
    [
      { stop: [' was'], include_stop_str_in_output: true },
      { stop: [' was'], includeStop: true },
    ],
    [
      { temperature: 0.9, seed: 5 },
      { temperature: 0.9, seed: 5 },
    ],
    [
      { temperature: 0.9, seed: -1 },
      { temperature: 0.9, seed: 2n ** 64n - 1n },
    ],
    [
      { temperature: 1, top_p: 0.5, seed: 1 },
      { temperature: 1, topP: 0.5, seed: 1 },
    ],
    [
      { temperature: 1, top_k: 3, seed: 2 },
      { temperature: 1, topK: 3, seed: 2 },
    ],
    [
      { temperature: 1, top_k: -1, seed: 2 },
      { temperature: 1, topK: 0, seed: 2 },
    ],
    [
      { temperature: 1, min_p: 0.2, seed: 2 },
      { temperature: 1, minP: 0.2, seed: 2 },
    ],
    [{ repetition_penalty: 3 }, { repetitionPenalty: 3 }],
    [{ presence_penalty: 2 }, { presencePenalty: 2 }],
    [{ frequency_penalty: 2 }, { frequencyPenalty: 2 }],
    [{ no_repeat_ngram_size: 1 }, { noRepeatNgramSize: 1 }],
    [{ logit_bias: { 300: 100 } }, { logitBias: { 300: 100 } }],
    [{ bad_words: ['there'] }, { badWords: ['there'] }],
    [{ bad_words_ids: [[300]] }, { badWordsIds: [[300]] }],
    [{ min_tokens: 6 }, { minTokens: 6 }],
    [{ ignore_eos: true }, { ignoreEos: true }],
    [{ skip_special_tokens: false }, { skipSpecialTokens: false }],
    [{ add_special_tokens: false }, { addSpecialTokens: false }],
  ]
  for (const [fields, options] of cases) {
    const base = { maxTokens: 6, temperature: 0 }
    const expected = await server.llm.generate('Once upon a time', { ...base, ...options })
    const { status, body } = await server.json('/v1/completions', { ...GREEDY, ...fields })
    assert.equal(status, 200, JSON.stringify([fields, body]))
    assert.equal(body.choices[0].text, expected.text, JSON.stringify(fields))
    assert.equal(body.choices[0].finish_reason, expected.choices[0]!.finishReason)
  }
  const first = server.llm.tokenize(',')[0]!
  const stopped = await server.json('/v1/completions', { ...GREEDY, stop_token_ids: [first] })
  assert.equal(stopped.body.choices[0].finish_reason, 'stop')
})

test('ids of prompt and answer are returned on request', async () => {
  const { body } = await server.json('/v1/completions', {
    ...GREEDY,
    return_token_ids: true,
    logprobs: 0,
    return_tokens_as_token_ids: true,
    prompt_logprobs: 1,
  })
  const [choice] = body.choices
  const expected = await server.llm.generate('Once upon a time', { maxTokens: 6, temperature: 0 })
  assert.deepEqual(choice.token_ids, expected.choices[0]!.tokenIds)
  assert.deepEqual(choice.prompt_token_ids, server.llm.tokenize('Once upon a time'))
  assert.equal(choice.logprobs.tokens[0], `token_id:${choice.token_ids[0]}`)
  assert.equal(choice.prompt_logprobs.length, 4)
  assert.equal(choice.prompt_logprobs[0], null)
  assert.equal(choice.prompt_logprobs[1][choice.prompt_token_ids[1]].decoded_token, ' upon')
})

test('KServe’s generate and generate_stream give the same text', async () => {
  const request = { text_input: 'Once upon a time', parameters: { max_tokens: 6, temperature: 0 } }
  const whole = await server.json(`/v2/models/${MODEL}/generate`, request)
  assert.deepEqual(whole.body, { model_name: MODEL, model_version: '1', text_output: ', there was a little girl' })
  const response = await server.post(`/v2/models/${MODEL}/versions/1/generate_stream`, {
    text_input: 'Once upon a time',
    max_tokens: 6,
    temperature: 0,
  })
  const texts = eventsOf(await response.text()).map((data) => JSON.parse(data).text_output)
  assert.equal(texts.join(''), whole.body.text_output)
  const wrong = await server.json('/v2/models/other/generate', request)
  assert.deepEqual([wrong.status, typeof wrong.body.error], [404, 'string'])
})

test('KServe’s metadata and probes answer', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: answers are what tests are about
  const get = async (path: string): Promise<any> => (await fetch(server.url + path)).json()
  assert.deepEqual((await get('/v2')).extensions, ['generate'])
  assert.equal((await get(`/v2/models/${MODEL}`)).inputs[0].name, 'text_input')
  assert.deepEqual(await get(`/v2/models/${MODEL}/ready`), { ready: true })
  assert.deepEqual(await get('/v2/health/live'), { live: true })
  assert.deepEqual(await get('/v2/health/ready'), { ready: true })
})

test('texts become tokens and come back', async () => {
  const { body } = await server.json('/tokenize', { prompt: 'Once upon a time', return_token_strs: true })
  assert.deepEqual(body.tokens, server.llm.tokenize('Once upon a time'))
  assert.deepEqual([body.count, body.max_model_len], [4, server.llm.info.contextLength])
  assert.deepEqual(body.token_strs, ['Once', ' upon', ' a', ' time'])
  const back = await server.json('/detokenize', { tokens: body.tokens })
  assert.equal(back.body.prompt, 'Once upon a time')
  const chat = await server.json('/tokenize', { messages: [{ role: 'user', content: 'Hi' }] })
  assert.equal((await server.json('/detokenize', { tokens: chat.body.tokens })).body.prompt, 'user: Hi\nassistant:')
})

test('embeddings are unit vectors of pooled hidden states, as numbers and as base64', async () => {
  const input = ['Once upon a time', 'Hello']
  const { body } = await server.json('/v1/embeddings', { input, model: MODEL })
  const { hiddenStates } = await server.llm.generate(input[0]!, { maxTokens: 1, hiddenStates: true })
  const mean = Array.from({ length: server.llm.info.hidden }, (_, i) => {
    return hiddenStates!.reduce((sum, row) => sum + row[i]!, 0) / hiddenStates!.length
  })
  const length = Math.hypot(...mean)
  const got: number[] = body.data[0].embedding
  assert.equal(got.length, server.llm.info.hidden)
  for (const [i, value] of got.entries()) assert.ok(Math.abs(value - mean[i]! / length) < 1e-5)
  assert.ok(Math.abs(Math.hypot(...got) - 1) < 1e-5)
  assert.deepEqual([body.data.length, body.data[1].index, body.usage.prompt_tokens > 4], [2, 1, true])
  const packed = await server.json('/v1/embeddings', { input, encoding_format: 'base64' })
  const bytes = Buffer.from(packed.body.data[0].embedding, 'base64')
  assert.equal(bytes.readFloatLE(4), got[1])
  const last = await server.json('/v1/embeddings', { input: input[0], pooling: 'last', normalize: false })
  assert.deepEqual(last.body.data[0].embedding, Array.from(hiddenStates!.at(-1)!))
})
