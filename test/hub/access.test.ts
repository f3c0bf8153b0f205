import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isWarplineError } from '../../src/errors.js'
import { nextUrl } from '../../src/hub/http.js'
import { pull } from '../../src/hub/index.js'
import { FakeHub, FakeServer, MODEL, sendContent, sendStatus } from './fake-hub.js'
import { pulling, tinyModel } from './support.js'

const TOKEN = 'hf_secretsecretsecret'

test('the token goes to the hub with every request, and never to the file store it redirects to', async (t) => {
  const hub = await FakeHub.start(t, tinyModel(), { withStore: true })
  const { pull } = await pulling(t, hub)
  const directory = await pull({ token: TOKEN })
  assert.ok(hub.seen.length >= 5 && hub.store.seen.length === 1)
  assert.ok(hub.seen.every(({ authorization }) => authorization === `Bearer ${TOKEN}`))
  assert.equal(hub.store.seen[0]!.authorization, undefined)
  const { content } = hub.files.get('model.safetensors')!
  assert.deepEqual(await readFile(join(directory, 'model.safetensors')), content)
})

test('without a token none is sent, and a redirect within the hub keeps the token', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  hub.intercept = (path, response, request) => {
    const moved = path.startsWith('/api/') && !request.url!.includes('moved=1')
    if (moved) sendStatus(response, 307, { location: `${request.url}&moved=1` })
    return moved
  }
  const { pull } = await pulling(t, hub)
  await pull()
  assert.ok(hub.seen.every(({ authorization }) => authorization === undefined))
  hub.seen.length = 0
  await pull({ token: ` ${TOKEN}\n` })
  assert.ok(hub.seen.length > 0 && hub.seen.every(({ authorization }) => authorization === `Bearer ${TOKEN}`))
})

test('a redirect from a store back to the hub does not lend it the token of another origin', async (t) => {
  const elsewhere = new FakeServer()
  const hub = await FakeHub.start(t, tinyModel())
  await elsewhere.listen(t, (path, response, request) =>
    sendContent(response, request, hub.files.get(path.slice(1))!.content),
  )
  hub.intercept = (path, response) =>
    path.includes('/resolve/') &&
    sendStatus(response, 302, { location: `${elsewhere.origin}/${path.split('/').at(-1)}` })
  const { pull } = await pulling(t, hub)
  await pull({ token: TOKEN })
  assert.equal(elsewhere.seen.length, hub.files.size)
  assert.ok(elsewhere.seen.every(({ authorization }) => authorization === undefined))
})

test('refusals say what to do, with and without a token, and never repeat the token', async (t) => {
  const cases: [number, string, string | false, RegExp][] = [
    [401, 'hub-unauthorized', false, /set HF_TOKEN/],
    [401, 'hub-unauthorized', TOKEN, /token gives no access/],
    [403, 'hub-unauthorized', TOKEN, /accept the licence/],
    [404, 'hub-not-found', false, /this model/],
    [400, 'hub-bad-answer', false, /status 400/],
  ]
  for (const [status, code, token, message] of cases) {
    const hub = await FakeHub.start(t, {})
    hub.intercept = (_, response) => sendStatus(response, status)
    const { pull } = await pulling(t, hub)
    await assert.rejects(pull({ token }), (error) => {
      assert.ok(isWarplineError(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.ok(!error.message.includes(TOKEN))
      return true
    })
    assert.equal(hub.seen.length, 1, 'a refusal is final')
  }
})

test('a revision or a file that does not exist is told apart from a missing model', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull } = await pulling(t, hub)
  hub.intercept = (path, response) =>
    path.includes('/revision/') && sendStatus(response, 404, { 'x-error-code': 'RevisionNotFound' })
  await assert.rejects(pull(), { code: 'hub-not-found', message: /this revision/ })
  hub.intercept = (path, response) =>
    path.includes('/resolve/') && sendStatus(response, 404, { 'x-error-code': 'EntryNotFound' })
  await assert.rejects(pull(), { code: 'hub-not-found', message: /this file/ })
})

test('passing troubles are retried, lasting ones are reported', async (t) => {
  const cases: [number, Record<string, string>, string][] = [
    [429, { 'retry-after': '0' }, 'hub-rate-limited'],
    [500, {}, 'hub-server-error'],
    [503, {}, 'hub-server-error'],
    [408, {}, 'hub-server-error'],
  ]
  for (const [status, headers, code] of cases) {
    for (const part of ['/revision/', '/tree/', '/resolve/']) {
      const hub = await FakeHub.start(t, tinyModel())
      let troubles = 2
      hub.intercept = (path, response) => path.includes(part) && troubles-- > 0 && sendStatus(response, status, headers)
      const { pull } = await pulling(t, hub)
      await pull()
      troubles = Number.POSITIVE_INFINITY
      await assert.rejects((await pulling(t, hub)).pull(), { code }, `${status} of ${part}`)
    }
  }
})

test('a server that asks to wait for long is not waited for', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  hub.intercept = (_, response) => sendStatus(response, 429, { 'retry-after': '86400' })
  const { pull } = await pulling(t, hub)
  await assert.rejects(pull(), { code: 'hub-rate-limited' })
  assert.equal(hub.seen.length, 1)
})

test('a file store that refuses an expired address is asked again through the hub', async (t) => {
  const hub = await FakeHub.start(t, tinyModel(), { withStore: true })
  let expired = 1
  hub.store.intercept = (_, response) => expired-- > 0 && sendStatus(response, 403)
  const { pull } = await pulling(t, hub)
  await pull()
  assert.equal(hub.asked('model.safetensors').length, 2)
  expired = Number.POSITIVE_INFINITY
  await assert.rejects((await pulling(t, hub)).pull(), (error) => {
    assert.ok(isWarplineError(error) && error.code === 'hub-bad-answer')
    assert.ok(!error.message.includes('signature'), 'the signed part of an address is a secret')
    return true
  })
})

test('redirects without end or to where no download may go are refused', async (t) => {
  const targets: [string | undefined, RegExp][] = [
    ['/loop', /more than 10 times/],
    ['file:///etc/passwd', /where no download may go/],
    ['http://[broken', /where no download may go/],
    [undefined, /where no download may go/],
  ]
  for (const [location, message] of targets) {
    const hub = await FakeHub.start(t, tinyModel())
    hub.intercept = (_, response) => sendStatus(response, 302, location === undefined ? {} : { location })
    const { pull } = await pulling(t, hub)
    await assert.rejects(pull(), { code: 'hub-bad-answer', message })
  }
})

test('a redirect never leads from an encrypted connection to an open one', () => {
  const secure = new URL('https://hub.example/a/b')
  assert.equal(nextUrl(secure, 'https://store.example/x').href, 'https://store.example/x')
  assert.equal(nextUrl(secure, '../c').href, 'https://hub.example/c')
  assert.throws(() => nextUrl(secure, 'http://store.example/x'), { code: 'hub-bad-answer' })
  assert.equal(nextUrl(new URL('http://hub.example'), 'https://store.example/').protocol, 'https:')
})

test('a hub that nobody serves is unreachable after a few attempts', async (t) => {
  const hub = await FakeHub.start(t, {})
  const { defaults } = await pulling(t, hub)
  const nobody = { ...defaults, endpoint: 'http://127.0.0.1:1' }
  await assert.rejects(pull(MODEL, nobody), { code: 'hub-unreachable', message: /127\.0\.0\.1:1.*cannot be reached/ })
})

test('an answer of the API that breaks off is asked for again', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  let broken = 1
  hub.intercept = (path, response) => {
    if (!path.includes('/tree/') || broken-- <= 0) return false
    response.writeHead(200, { 'content-length': 1000 }).write('[', () => response.destroy())
    return true
  }
  const { pull } = await pulling(t, hub)
  await pull()
  assert.equal(hub.asked('/tree/').length, 2)
})
