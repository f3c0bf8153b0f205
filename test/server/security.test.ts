import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { pino } from 'pino'
import { hostCheck } from '../../src/server/http/hosts.js'
import { KeyRing } from '../../src/server/http/keys.js'
import { createService } from '../../src/server/index.js'
import { MODEL, testServer } from './support/server.js'

const KEY = 'sk-0123456789abcdef'
const lines: string[] = []
const logger = pino({ base: undefined }, { write: (line: string) => void lines.push(line) })
const server = testServer({ apiKeys: [KEY, 'sk-other'], logger, maxPerKey: 1 })
const body = { model: MODEL, prompt: 'a secret prompt', max_tokens: 1 }

test('without a key, or with a wrong one, nothing is answered but probes and the page', async () => {
  for (const headers of [
    {},
    { authorization: 'Bearer sk-wrong' },
    { authorization: KEY },
    { authorization: `Basic ${KEY}` },
  ]) {
    for (const path of ['/v1/models', '/metrics', '/v2', `/v2/models/${MODEL}`, '/nothing']) {
      const response = await fetch(server.url + path, { headers: headers as Record<string, string> })
      assert.equal(response.status, 401, path)
      assert.equal(response.headers.get('www-authenticate'), 'Bearer')
    }
    const refused = await server.post('/v1/completions', body, headers as Record<string, string>)
    assert.equal(refused.status, 401)
  }
  for (const path of ['/health', '/ready', '/version', '/v2/health/live', '/v2/health/ready', '/']) {
    assert.equal((await fetch(server.url + path)).status, 200, path)
  }
})

test('each key opens', async () => {
  for (const key of [KEY, 'sk-other']) {
    const response = await server.post('/v1/completions', body, { authorization: `Bearer ${key}` })
    assert.equal(response.status, 200)
  }
})

test('no key and no prompt stands in the log; who asked does, as a hash', async () => {
  await server.post('/v1/completions', body, { authorization: `Bearer ${KEY}` })
  await server.post('/v1/completions', { ...body, model: 7 }, { authorization: `Bearer ${KEY}` })
  await new Promise((resolve) => setTimeout(resolve, 50))
  const log = lines.join('')
  assert.ok(!log.includes(KEY) && !log.includes('sk-other') && !log.includes('secret'))
  const line = lines.map((each) => JSON.parse(each)).find((each) => each.completionTokens === 1)
  assert.match(line.key, /^key-[0-9a-f]{8}$/)
  assert.equal(line.status, 200)
})

test('one key cannot hold more places than it may', async () => {
  const controller = new AbortController()
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` }
  const long = { ...body, max_tokens: 400, ignore_eos: true, stream: true }
  const open = await fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify(long),
    signal: controller.signal,
  })
  const second = await server.post('/v1/completions', body, { authorization: `Bearer ${KEY}` })
  assert.equal(second.status, 429)
  const other = await server.post('/v1/completions', body, { authorization: 'Bearer sk-other' })
  assert.equal(other.status, 200)
  controller.abort()
  await open.text().catch(() => {})
})

test('keys are compared whole: no prefix, no empty one', () => {
  const ring = new KeyRing(['abc'])
  for (const given of ['Bearer ab', 'Bearer abcd', 'Bearer ', 'Bearer', '', undefined]) {
    assert.throws(() => ring.check(given), { status: 401 })
  }
  assert.match(ring.check('bearer abc'), /^key-/)
  assert.equal(new KeyRing([]).check(undefined), 'anonymous')
})

test('no path leads to the file system', async () => {
  const paths = [
    '/..%2f..%2fpackage.json',
    '/playground/..%2f..%2fpackage.json',
    '/playground/package.json',
    '/%2e%2e/x',
  ]
  for (const path of paths) {
    const response = await fetch(server.url + path, { headers: { authorization: `Bearer ${KEY}` } })
    assert.equal(response.status, 404, path)
    assert.ok(!(await response.text()).includes('"dependencies"'))
  }
})

test('pages of other origins are not let in unless they are named', async () => {
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'https://x.example', 'access-control-request-method': 'POST' },
  }
  const closed = await fetch(`${server.url}/v1/completions`, preflight)
  assert.equal(closed.headers.get('access-control-allow-origin'), null)
  const { app } = createService(server.llm, { corsOrigins: ['https://x.example'] })
  const open = await app.request('/v1/completions', preflight)
  assert.equal(open.headers.get('access-control-allow-origin'), 'https://x.example')
  const other = await app.request('/v1/completions', {
    ...preflight,
    headers: { ...preflight.headers, origin: 'https://y.example' },
  })
  assert.equal(other.headers.get('access-control-allow-origin'), null)
})

test('a loopback server answers to no foreign host name', async () => {
  const status = await new Promise<number>((resolve) => {
    const { port, hostname } = new URL(server.url)
    request({ port, hostname, path: '/health', headers: { host: 'evil.example' } }, (response) => {
      response.resume()
      resolve(response.statusCode!)
    }).end()
  })
  assert.equal(status, 403)
  const known = hostCheck('127.0.0.1', ['llm.internal'])
  for (const name of ['localhost:8000', '127.0.0.1', '[::1]:80', 'llm.internal:1', 'LLM.internal', '10.1.2.3']) {
    assert.ok(known(name), name)
  }
  for (const name of ['evil.example', 'localhost.evil.example', '', '127.0.0.1.evil.example'])
    assert.ok(!known(name), name)
  assert.ok(hostCheck('0.0.0.0', undefined)('any.example'))
  assert.ok(!hostCheck('0.0.0.0', ['a.example'])('any.example'))
})

test('answers and the page carry the headers that browsers heed', async () => {
  const page = await fetch(`${server.url}/`)
  assert.match(page.headers.get('content-security-policy')!, /default-src 'none'.*script-src 'self'/)
  const health = await fetch(`${server.url}/health`)
  for (const response of [page, health]) {
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(response.headers.get('x-frame-options'), 'DENY')
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer')
    assert.equal(response.headers.get('x-powered-by'), null)
  }
  assert.equal(health.headers.get('cache-control'), 'no-store')
})
