import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MODEL, testServer } from './support/server.js'

const server = testServer()
const chat = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 }
interface Failure {
  error: { code: string }
}

const completion = { model: MODEL, prompt: 'Once', max_tokens: 2 }

test('every mistake is an error in OpenAI’s shape that names its field', async () => {
  const cases: [path: string, body: unknown, status: number, param: string | null, code: string][] = [
    ['/v1/completions', { ...completion, max_tokenz: 1 }, 400, 'max_tokenz', 'unknown_parameter'],
    ['/v1/completions', { ...completion, max_tokens: 'x' }, 400, 'max_tokens', 'invalid_type'],
    ['/v1/completions', { ...completion, temperature: -1 }, 400, 'temperature', 'invalid_value'],
    ['/v1/completions', { ...completion, top_p: 2 }, 400, 'top_p', 'invalid_value'],
    ['/v1/completions', { ...completion, n: 0 }, 400, 'n', 'invalid_value'],
    ['/v1/completions', { ...completion, n: 1000 }, 400, 'n', 'invalid_value'],
    ['/v1/completions', { ...completion, best_of: 1, n: 2 }, 400, 'best_of', 'invalid_value'],
    ['/v1/completions', { ...completion, best_of: 2, stream: true }, 400, 'best_of', 'invalid_value'],
    ['/v1/completions', { ...completion, logprobs: 99 }, 400, 'logprobs', 'invalid_value'],
    ['/v1/completions', { ...completion, stop: Array(17).fill('a') }, 400, 'stop', 'invalid_value'],
    ['/v1/completions', { ...completion, stop: '' }, 400, 'stop', 'invalid_value'],
    ['/v1/completions', { ...completion, logit_bias: { x: 1 } }, 400, 'logit_bias.x', 'invalid_value'],
    ['/v1/completions', { ...completion, logit_bias: { 99999999: 1 } }, 400, 'logit_bias', 'invalid_value'],
    ['/v1/completions', { ...completion, length_penalty: 1 }, 400, 'length_penalty', 'invalid_value'],
    ['/v1/completions', { ...completion, use_beam_search: true }, 400, 'best_of', 'invalid_value'],
    ['/v1/completions', { ...completion, stream_options: {} }, 400, 'stream_options', 'invalid_value'],
    ['/v1/completions', { ...completion, prompt: [99999999] }, 400, null, 'invalid_value'],
    ['/v1/completions', { ...completion, prompt: [] }, 400, 'prompt', 'invalid_value'],
    ['/v1/completions', { ...completion, prompt: 'x '.repeat(5000) }, 400, null, 'context_length_exceeded'],
    ['/v1/completions', { ...completion, suffix: 'x' }, 400, 'suffix', 'unsupported'],
    ['/v1/completions', { ...completion, guided_regex: 4 }, 400, 'guided_regex', 'invalid_type'],
    ['/v1/completions', { ...completion, model: 'gpt-5' }, 404, 'model', 'model_not_found'],
    ['/v1/completions', '{"prompt": ', 400, null, 'invalid_json'],
    ['/v1/completions', '[]', 400, null, 'invalid_type'],
    ['/v1/completions', `{"prompt":${'['.repeat(100)}${']'.repeat(100)}}`, 400, null, 'invalid_json'],
    ['/v1/completions', '{"__proto__":{"a":1}}', 400, null, 'invalid_json'],
    ['/v1/chat/completions', { ...chat, messages: [] }, 400, 'messages', 'invalid_value'],
    ['/v1/chat/completions', { model: MODEL }, 400, 'messages', 'missing_required_parameter'],
    [
      '/v1/chat/completions',
      { ...chat, messages: [{ role: 'king', content: 'x' }] },
      400,
      'messages[0].role',
      'invalid_value',
    ],
    ['/v1/chat/completions', { ...chat, audio: { voice: 'x' } }, 400, 'audio', 'unsupported'],
    ['/v1/chat/completions', { ...chat, modalities: ['text', 'audio'] }, 400, 'modalities', 'unsupported'],
    ['/v1/chat/completions', { ...chat, functions: [{ name: 'x' }] }, 400, 'functions', 'unsupported'],
    ['/v1/chat/completions', { ...chat, store: true }, 400, 'store', 'unsupported'],
    ['/v1/chat/completions', { ...chat, reasoning_effort: 'low' }, 400, 'reasoning_effort', 'unsupported'],
    ['/v1/chat/completions', { ...chat, service_tier: 'flex' }, 400, 'service_tier', 'invalid_value'],
    ['/v1/chat/completions', { ...chat, top_logprobs: 2 }, 400, 'top_logprobs', 'invalid_value'],
    ['/v1/chat/completions', { ...chat, tool_choice: 'auto' }, 400, 'tool_choice', 'invalid_value'],
    ['/v1/chat/completions', { ...chat, max_completion_tokens: 3 }, 400, 'max_tokens', 'invalid_value'],
    ['/v1/chat/completions', { ...chat, chat_template: '{{ x }}' }, 400, 'chat_template', 'unsupported'],
    [
      '/v1/chat/completions',
      { ...chat, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      400,
      'messages[0].content[0]',
      'unsupported',
    ],
    ['/v1/embeddings', { input: 'a', dimensions: 3 }, 400, 'dimensions', 'unsupported'],
    ['/tokenize', { prompt: 'a', messages: chat.messages }, 400, 'prompt', 'invalid_value'],
    ['/detokenize', { tokens: [-1] }, 400, 'tokens[0]', 'invalid_value'],
    ['/v1/nothing', {}, 404, null, 'not_found'],
  ]
  for (const [path, body, status, param, code] of cases) {
    const { status: got, body: answer } = await server.json(path, body)
    const shown = JSON.stringify(body).slice(0, 120)
    const { message, ...error } = answer.error
    assert.ok(typeof message === 'string' && message.length > 10)
    assert.deepEqual(
      { got, ...error },
      { got: status, type: 'invalid_request_error', param, code },
      `${shown} ${message}`,
    )
  }
})

test('fields that ask for nothing are taken', async () => {
  const harmless = {
    modalities: ['text'],
    store: false,
    user: 'me',
    metadata: { a: 'b' },
    service_tier: 'auto',
    safety_identifier: 'x',
    prompt_cache_key: 'x',
    response_format: { type: 'text' },
    tool_choice: 'none',
    tools: null,
    temperature: null,
    stop: null,
    functions: [],
    verbosity: 'medium',
    priority: 0,
    stream: false,
  }
  const { status, body } = await server.json('/v1/chat/completions', { ...chat, ...harmless })
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body.service_tier, 'default')
})

test('a request that fails before its first token is an error, not a stream', async () => {
  const response = await server.post('/v1/completions', { ...completion, prompt: 'x '.repeat(5000), stream: true })
  assert.equal(response.status, 400)
  const { error } = (await response.json()) as Failure
  assert.equal(error.code, 'context_length_exceeded')
})

test('only JSON is taken, and only so much of it', async () => {
  const text = await fetch(`${server.url}/v1/completions`, { method: 'POST', body: JSON.stringify(completion) })
  assert.equal(text.status, 415)
  const large = await server.json('/v1/completions', { ...completion, prompt: 'x'.repeat(5 * 2 ** 20) })
  assert.deepEqual([large.status, large.body.error.code], [413, 'body_too_large'])
  const chunks = async function* () {
    for (let i = 0; i < 100; i++) yield Buffer.alloc(2 ** 16, 0x20)
  }
  const streamed = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: ReadableStream.from(chunks()),
    duplex: 'half',
  } as RequestInit)
  assert.equal(streamed.status, 413)
  const invalid = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Uint8Array([0x7b, 0xff, 0x7d]),
  })
  const { error } = (await invalid.json()) as Failure
  assert.equal(error.code, 'invalid_json')
})

test('request ids are given, and taken over where they are harmless', async () => {
  const own = await fetch(`${server.url}/health`)
  assert.match(own.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/)
  const theirs = await fetch(`${server.url}/health`, { headers: { 'x-request-id': 'abc-1' } })
  assert.equal(theirs.headers.get('x-request-id'), 'abc-1')
  const bad = await fetch(`${server.url}/health`, { headers: { 'x-request-id': 'a b"' } })
  assert.notEqual(bad.headers.get('x-request-id'), 'a b"')
})
