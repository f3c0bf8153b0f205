import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { withLock } from '../../src/hub/lock.js'
import { temporaryDirectory } from '../weights/support.js'

async function lockPath(t: TestContext, holder?: object): Promise<string> {
  const path = join(await temporaryDirectory(t), 'locks', 'file.lock')
  if (holder) {
    await mkdir(dirname(path))
    await writeFile(path, JSON.stringify(holder))
  }
  return path
}

test('one at a time, and the lock is gone afterwards', async (t) => {
  const path = await lockPath(t)
  let inside = 0
  let entered = 0
  const work = async () => {
    assert.equal(++inside, 1)
    entered++
    await new Promise((resolve) => setTimeout(resolve, 20))
    inside--
  }
  await Promise.all(Array.from({ length: 3 }, () => withLock(path, undefined, work)))
  assert.equal(entered, 3)
  assert.deepEqual(await readdir(dirname(path)), [])
})

test('work that fails releases the lock', async (t) => {
  const path = await lockPath(t)
  await assert.rejects(
    withLock(path, undefined, () => Promise.reject(new Error('work failed'))),
    /work failed/,
  )
  assert.equal(await withLock(path, undefined, async () => 'free'), 'free')
})

test('the lock of a process that is gone is taken over at once', async (t) => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  for (const gone of [pid, process.pid]) {
    const path = await lockPath(t, { id: 'gone', pid: gone, host: hostname() })
    assert.equal(await withLock(path, undefined, async () => 'mine'), 'mine')
    assert.deepEqual(await readdir(dirname(path)), [])
  }
})

test('a holder on another machine counts as gone only when it stops touching its lock', async (t) => {
  const path = await lockPath(t, { id: 'far', pid: 1, host: 'another-machine' })
  const controller = new AbortController()
  const waiting = withLock(path, controller.signal, async () => 'mine')
  setTimeout(() => controller.abort(), 250)
  await assert.rejects(waiting, { code: 'cancelled' })
  assert.match(await readFile(path, 'utf8'), /far/, 'a waiter that gives up leaves the lock to its holder')
  await utimes(path, 1, 1)
  assert.equal(await withLock(path, undefined, async () => 'mine'), 'mine')
})

test('a lock that holds no name counts as gone only when it is old', async (t) => {
  const path = await lockPath(t, {})
  await writeFile(path, 'half a na')
  await assert.rejects(
    withLock(path, AbortSignal.timeout(250), async () => 'mine'),
    { code: 'cancelled' },
  )
  await utimes(path, 1, 1)
  assert.equal(await withLock(path, undefined, async () => 'mine'), 'mine')
})

test('a place where no lock can be is a typed error', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'file'), '')
  await assert.rejects(
    withLock(join(directory, 'file', 'lock'), undefined, async () => 0),
    { code: 'file-unwritable' },
  )
})
