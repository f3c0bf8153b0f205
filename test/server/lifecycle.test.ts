import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createService, serve } from '../../src/server/index.js'
import { eventsOf, MODEL, testServer, until } from './support/server.js'

const LIMITS = { maxQueue: 2, keepAliveMs: 40, stallTimeoutMs: 300 }
const server = testServer(LIMITS, { maxSequences: 2 })
const LONG = { model: MODEL, prompt: 'Once upon a time', max_tokens: 400, temperature: 1, ignore_eos: true }

async function idle(): Promise<void> {
  await until(() => server.llm.stats().running + server.llm.stats().waiting === 0, 'the engine is idle')
  const { blocks, freeBlocks } = server.llm.stats()
  assert.equal(freeBlocks, blocks)
}

test('a client that leaves a stream frees the engine', async () => {
  const before = server.llm.stats().tokens
  const controller = new AbortController()
  const response = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...LONG, stream: true }),
    signal: controller.signal,
  })
  await response.body!.getReader().read()
  controller.abort()
  await idle()
  assert.ok(server.llm.stats().tokens - before < 300, 'it did not run to its end')
})

test('a client that leaves while it waits for a whole answer frees the engine', async () => {
  const before = server.llm.stats().tokens
  const controller = new AbortController()
  const answer = fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...LONG, n: 2 }),
    signal: controller.signal,
  })
  await until(() => server.llm.stats().running > 0, 'it runs')
  controller.abort()
  await assert.rejects(answer)
  await idle()
  assert.ok(server.llm.stats().tokens - before < 700)
})

test('a reader that stands still, or is too far behind, loses its request', async () => {
  for (const options of [{ stallTimeoutMs: 100 }, { maxQueuedParts: 8 }]) {
    const before = server.llm.stats().tokens
    const { app } = createService(server.llm, { modelNames: [MODEL], keepAliveMs: 50, ...options })
    const response = await app.request('/v1/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...LONG, stream: true }),
    })
    assert.equal(response.status, 200)
    await until(() => server.llm.stats().tokens > before, 'it runs')
    await idle()
    assert.ok(server.llm.stats().tokens - before < 380, 'it did not run to its end')
  }
})

test('a full queue answers 429 with Retry-After, and takes requests again afterwards', async () => {
  const controllers = Array.from({ length: 4 }, () => new AbortController())
  const open = controllers.map(({ signal }) =>
    fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(LONG),
      signal,
    }).catch(() => {}),
  )
  await until(() => server.llm.stats().running + server.llm.stats().waiting === 4, 'four are open')
  const refused = await server.json('/v1/completions', LONG)
  assert.equal(refused.status, 429)
  assert.equal(refused.body.error.code, 'queue_full')
  assert.ok(Number(refused.headers.get('retry-after')) >= 1)
  for (const controller of controllers) controller.abort()
  await Promise.all(open)
  await idle()
  assert.equal((await server.json('/v1/completions', { ...LONG, max_tokens: 1 })).status, 200)
})

test('a stream that waits sends comments', async () => {
  const controller = new AbortController()
  const { signal } = controller
  const busy = [0, 1].map(() =>
    server.llm.generate('Once', { maxTokens: 500, ignoreEos: true, temperature: 1, signal }),
  )
  await until(() => server.llm.stats().running === 2, 'all places are taken')
  // In this process and at once, so that the comment is due long before a place is free, however busy the machine is.
  const { app } = createService(server.llm, { modelNames: [MODEL], keepAliveMs: 1, streamGraceMs: 1 })
  const response = await app.request('/v1/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...LONG, max_tokens: 2, stream: true }),
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = (await reader.read()).value ?? ''
  assert.equal(text, ': keep-alive\n\n')
  controller.abort()
  await Promise.all(busy)
  for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value
  assert.match(text, /^(?:: keep-alive\n\n)+data: \{/)
  assert.equal(eventsOf(text).at(-1), '[DONE]')
})

test('a deadline ends an answer with an error', async () => {
  const whole = await server.json('/v1/completions', { ...LONG, timeout: 0.05 })
  assert.deepEqual([whole.status, whole.body.error.code], [504, 'deadline_exceeded'])
  const response = await server.post('/v1/completions', { ...LONG, timeout: 0.3, stream: true })
  const events = eventsOf(await response.text())
  assert.equal(JSON.parse(events.at(-1)!).error.code, 'deadline_exceeded')
  await idle()
})

test('told to stop, a server lets open streams finish and refuses new requests', async () => {
  const second = await serve(server.llm, { port: 0, modelNames: [MODEL], drainDelayMs: 100 })
  const post = (body: object) =>
    fetch(`${second.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const response = await post({ ...LONG, max_tokens: 60, stream: true })
  const text = response.text()
  const stopped = second.stop()
  const ready = await fetch(`${second.url}/ready`)
  assert.equal(ready.status, 503)
  assert.equal(await stopped, true)
  assert.equal(eventsOf(await text).at(-1), '[DONE]')
  await assert.rejects(post({ ...LONG, max_tokens: 1 }))
})

test('what does not finish in time is told so, and the server stops', async () => {
  const second = await serve(server.llm, { port: 0, modelNames: [MODEL], shutdownTimeoutMs: 50 })
  const response = await fetch(`${second.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...LONG, stream: true }),
  })
  const text = response.text()
  assert.equal(await second.stop(), false)
  assert.equal(JSON.parse(eventsOf(await text).at(-1)!).error.code, 'shutting_down')
  await idle()
})

test('a request that never arrives whole is given up', async () => {
  const second = await serve(server.llm, { port: 0, modelNames: [MODEL], receiveTimeoutMs: 200 })
  const { port, hostname } = new URL(second.url)
  const answers = await Promise.all(
    [
      'GET /health HTTP/1.1\r\nHost: loc',
      'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{',
    ].map(
      (beginning) =>
        new Promise<string>((resolve) => {
          let text = ''
          const socket = connect(Number(port), hostname)
          socket.on('data', (data) => (text += data)).on('close', () => resolve(text))
          socket.write(beginning)
        }),
    ),
  )
  for (const answer of answers) assert.match(answer, /^HTTP\/1.1 4\d\d|^$/)
  await second.stop()
})

test('headers that are too large are refused', async () => {
  const status = await new Promise<number>((resolve, reject) => {
    const outgoing = request(`${server.url}/health`, { headers: { 'x-large': 'x'.repeat(20_000) } }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
  assert.equal(status, 431)
})
