import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { PullProgress } from '../../src/hub/index.js'
import { FakeHub, MODEL, sendAndCut, sendContent, sendStatus, sha256 } from './fake-hub.js'
import { filesBelow, pulling, tinyModel } from './support.js'

const FILE = 'model.safetensors'

type Answer = (response: ServerResponse, request: IncomingMessage) => unknown
interface Ask {
  /** How often the file was asked for before. */
  readonly attempt: number
  /** First byte asked for. */
  readonly from: number
  readonly content: Buffer
  /** Sends what is asked for up to a byte and breaks the connection. */
  readonly cutAt: (to: number) => Answer
}

/** A hub whose large file is answered by `answer`, or as usual where that is undefined. */
async function troubled(t: TestContext, answer: (ask: Ask) => Answer | undefined) {
  const hub = await FakeHub.start(t, tinyModel())
  const { content } = hub.files.get(FILE)!
  const target = await pulling(t, hub)
  const blob = join(target.repository, 'blobs', sha256(content))
  const partial = `${blob}.warpline.incomplete`
  const received = async () => (await stat(partial).catch(() => ({ size: 0 }))).size
  let attempt = 0
  hub.intercept = (path, response, request) => {
    if (!path.endsWith(FILE)) return false
    const from = Number(/\d+/.exec(request.headers.range ?? '0')![0])
    const cutAt = (to: number) => () => sendAndCut(response, content, { from, to, received })
    const special = answer({ attempt: attempt++, from, content, cutAt })
    special?.(response, request)
    return special !== undefined
  }
  const ranges = () => hub.seen.filter(({ path }) => path.endsWith(FILE)).map(({ range }) => range)
  return { hub, content, blob, partial, ranges, ...target }
}

test('a download goes on where the connection broke, within one pull', async (t) => {
  const cuts = [60_000, 90_000, 150_000]
  const { pull, content, ranges } = await troubled(t, ({ attempt, cutAt }) => {
    const to = cuts[attempt]
    return to === undefined ? undefined : cutAt(to)
  })
  const steps: PullProgress[] = []
  const directory = await pull({ onProgress: (step) => steps.push(step) })
  assert.deepEqual(await readFile(join(directory, FILE)), content)
  assert.deepEqual(ranges(), [undefined, 'bytes=60000-', 'bytes=90000-', 'bytes=150000-'])
  assert.equal(steps.at(-1)!.done, steps.at(-1)!.total)
})

test('a download goes on where the connection broke, in the next pull', async (t) => {
  let broken = true
  const { pull, content, ranges, partial, repository } = await troubled(t, ({ cutAt }) =>
    broken ? cutAt(70_000) : undefined,
  )
  await assert.rejects(pull(), { code: 'hub-unreachable' })
  assert.deepEqual(await readFile(partial), content.subarray(0, 70_000))
  assert.ok((await filesBelow(join(repository, 'snapshots'))).every((path) => !path.endsWith(FILE)))
  broken = false
  const steps: PullProgress[] = []
  const directory = await pull({ onProgress: (step) => steps.push(step) })
  assert.equal(ranges().at(-1), 'bytes=70000-')
  assert.deepEqual(await readFile(join(directory, FILE)), content)
  await assert.rejects(stat(partial))
  assert.equal(steps.filter(({ file }) => file === FILE)[0]!.fileDone, 70_000, 'what was there counts at once')
})

test('only attempts without progress count: a line that breaks often still ends the download', async (t) => {
  const { pull, content } = await troubled(t, ({ attempt, from, cutAt }) =>
    attempt < 20 ? cutAt(from + 5000) : undefined,
  )
  assert.deepEqual(await readFile(join(await pull(), FILE)), content)
})

test('a server that ignores ranges sends everything again, and the file is right', async (t) => {
  const { pull, content } = await troubled(t, ({ attempt, content: whole, cutAt }) =>
    attempt === 0 ? cutAt(70_000) : (response) => response.writeHead(200).end(whole),
  )
  const steps: PullProgress[] = []
  assert.deepEqual(await readFile(join(await pull({ onProgress: (step) => steps.push(step) }), FILE)), content)
  assert.equal(steps.at(-1)!.done, steps.at(-1)!.total)
})

test('a server that answers with another range than asked, or with none, is asked again for everything', async (t) => {
  const wrong: ((whole: Buffer) => Answer)[] = [
    (whole) => (response) => {
      const range = `bytes 5-${whole.length - 1}/${whole.length}`
      response.writeHead(206, { 'content-range': range }).end(whole.subarray(5))
    },
    (whole) => (response) => response.writeHead(206).end(whole.subarray(70_000)),
    () => (response) => sendStatus(response, 416),
  ]
  for (const answer of wrong) {
    const { pull, content, ranges } = await troubled(t, ({ attempt, content: whole, cutAt }) => {
      if (attempt === 0) return cutAt(70_000)
      return attempt === 1 ? answer(whole) : undefined
    })
    assert.deepEqual(await readFile(join(await pull(), FILE)), content)
    assert.deepEqual(ranges(), [undefined, 'bytes=70000-', undefined])
  }
})

test('a file with another content than its hash is removed and reported', async (t) => {
  const { pull, content, repository, hub } = await troubled(t, ({ content: whole }) => (response, request) => {
    const changed = Buffer.from(whole)
    changed[100_000]! ^= 1
    sendContent(response, request, changed)
  })
  await assert.rejects(pull(), {
    code: 'hub-hash-mismatch',
    message: new RegExp(`model\\.safetensors.*${sha256(content)}`),
  })
  const left = await filesBelow(repository)
  assert.ok(
    left.every((path) => !path.includes(sha256(content)) && !path.endsWith(FILE)),
    left.join(),
  )
  assert.equal(hub.asked(FILE).length, 1)
})

test('a small file is checked by its git hash', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  hub.intercept = (path, response) => path.endsWith('/config.json') && !!response.end('{"model_type":"gptX"}')
  const { pull, repository } = await pulling(t, hub)
  await assert.rejects(pull(), { code: 'hub-hash-mismatch', message: /config\.json.*git-sha1/ })
  assert.ok(
    (await filesBelow(repository)).every((path) => !path.endsWith('config.json') && !path.includes('incomplete')),
  )
})

test('bad bytes left by an earlier run do not blame the server: the file is fetched afresh', async (t) => {
  const { pull, content, partial, ranges } = await troubled(t, () => undefined)
  await mkdir(join(partial, '..'), { recursive: true })
  await writeFile(partial, Buffer.alloc(1000, 7))
  assert.deepEqual(await readFile(join(await pull(), FILE)), content)
  assert.deepEqual(ranges(), ['bytes=1000-', undefined])
})

test('a partial file longer than the whole starts over, a complete one needs only its check', async (t) => {
  const longer = await troubled(t, () => undefined)
  await mkdir(join(longer.partial, '..'), { recursive: true })
  await writeFile(longer.partial, Buffer.alloc(longer.content.length + 1))
  assert.deepEqual(await readFile(join(await longer.pull(), FILE)), longer.content)
  assert.deepEqual(longer.ranges(), [undefined])
  const complete = await troubled(t, () => undefined)
  await mkdir(join(complete.partial, '..'), { recursive: true })
  await writeFile(complete.partial, complete.content)
  assert.deepEqual(await readFile(join(await complete.pull(), FILE)), complete.content)
  assert.deepEqual(complete.ranges(), [])
})

test('a body longer than listed is refused and leaves nothing', async (t) => {
  const { pull, content, repository } = await troubled(t, ({ content: whole }) => (response) => {
    response.writeHead(200).end(Buffer.concat([whole, Buffer.from('more')]))
  })
  await assert.rejects(pull(), { code: 'hub-bad-answer', message: /longer than/ })
  assert.ok((await filesBelow(repository)).every((path) => !path.includes(sha256(content))))
})

test('a body that ends early without breaking the connection is continued', async (t) => {
  const { pull, content, ranges } = await troubled(t, ({ attempt, content: whole }) =>
    attempt === 0 ? (response) => response.writeHead(200).end(whole.subarray(0, 50_000)) : undefined,
  )
  assert.deepEqual(await readFile(join(await pull(), FILE)), content)
  assert.deepEqual(ranges(), [undefined, 'bytes=50000-'])
})

test('a server that falls silent is given up and asked again', async (t) => {
  const { pull, content, ranges } = await troubled(t, ({ attempt, content: whole }) =>
    attempt === 0
      ? (response) => response.writeHead(200, { 'content-length': whole.length }).write(whole.subarray(0, 1))
      : undefined,
  )
  const directory = await pull({ patience: { attempts: 2, delayMs: 1, idleMs: 300 } })
  assert.deepEqual(await readFile(join(directory, FILE)), content)
  assert.ok(ranges().length >= 2)
})

test('a cancelled pull says so, keeps what it has and goes on from there later', async (t) => {
  let hang = true
  const { pull, content, partial, ranges } = await troubled(t, ({ content: whole }) =>
    hang ? (response) => response.writeHead(200).write(whole.subarray(0, 50_000)) : undefined,
  )
  const controller = new AbortController()
  const onProgress = ({ file, fileDone }: PullProgress) => {
    if (file === FILE && fileDone === 50_000) controller.abort()
  }
  await assert.rejects(pull({ signal: controller.signal, onProgress }), { code: 'cancelled' })
  assert.equal((await stat(partial)).size, 50_000)
  hang = false
  assert.deepEqual(await readFile(join(await pull(), FILE)), content)
  assert.equal(ranges().at(-1), 'bytes=50000-')
  await assert.rejects(pull({ signal: AbortSignal.abort() }), { code: 'cancelled' })
})

test('a process killed in the middle leaves no half file, and the next one goes on at once', async (t) => {
  let hang = true
  const { content, partial, ranges, pull, repository, defaults, hub } = await troubled(t, ({ content: whole }) =>
    hang ? (response) => response.writeHead(200).write(whole.subarray(0, 50_000)) : undefined,
  )
  const module = new URL('../../src/hub/index.ts', import.meta.url).href
  const script = `import { pull } from ${JSON.stringify(module)}
    await pull(${JSON.stringify(MODEL)}, ${JSON.stringify({ ...defaults, endpoint: hub.origin })})`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  while ((await stat(partial).catch(() => undefined))?.size !== 50_000) {
    assert.equal(child.exitCode, null, 'the child hangs in its download')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  child.kill('SIGKILL')
  await ended
  assert.ok((await filesBelow(join(repository, 'snapshots'))).every((path) => !path.endsWith(FILE)))
  hang = false
  assert.deepEqual(await readFile(join(await pull(), FILE)), content)
  assert.deepEqual(ranges(), [undefined, 'bytes=50000-'])
})

test('what another tool left half-done is continued once that tool is surely gone', async (t) => {
  const old = await troubled(t, () => undefined)
  const foreign = `${old.blob}.incomplete`
  await mkdir(join(foreign, '..'), { recursive: true })
  await writeFile(foreign, old.content.subarray(0, 123_456))
  await utimes(foreign, 1, 1)
  assert.deepEqual(await readFile(join(await old.pull(), FILE)), old.content)
  assert.deepEqual(old.ranges(), ['bytes=123456-'])
  const fresh = await troubled(t, () => undefined)
  const inUse = `${fresh.blob}.incomplete`
  await mkdir(join(inUse, '..'), { recursive: true })
  await writeFile(inUse, fresh.content.subarray(0, 123_456))
  await fresh.pull()
  assert.deepEqual(fresh.ranges(), [undefined])
  assert.equal((await stat(inUse)).size, 123_456)
})

test('the first failure stops the other files and is the one reported', { timeout: 60_000 }, async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  hub.intercept = (path, response) => {
    if (path.endsWith(FILE)) response.writeHead(200).write('x')
    return path.endsWith(FILE) || (path.endsWith('tokenizer.json') && sendStatus(response, 404))
  }
  const { pull } = await pulling(t, hub)
  await assert.rejects(pull({ patience: { attempts: 1, delayMs: 1, idleMs: 2 ** 30 } }), {
    code: 'hub-not-found',
    message: /tokenizer\.json/,
  })
})
