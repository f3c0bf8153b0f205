import assert from 'node:assert/strict'
import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CachedRepository, linkOrCopy } from '../../src/hub/cache.js'
import { temporaryDirectory, writeFiles } from '../weights/support.js'
import { COMMIT, MODEL } from './fake-hub.js'
import { filesBelow, weights } from './support.js'

const noLinks = () => Promise.reject(Object.assign(new Error('not permitted'), { code: 'EPERM' }))

async function blobIn(t: TestContext) {
  const directory = await temporaryDirectory(t)
  await mkdir(join(directory, 'blobs'))
  await writeFile(join(directory, 'blobs', 'b'), 'content')
  return { directory, blob: join(directory, 'blobs', 'b'), target: join(directory, 'snapshots', 'c', 'config.json') }
}

test('a link is relative, so that the cache can be moved, also below a linked cache directory', async (t) => {
  const { directory, blob, target } = await blobIn(t)
  await linkOrCopy(blob, target)
  assert.equal(await readlink(target), join('..', '..', 'blobs', 'b'))
  const alias = join(await temporaryDirectory(t), 'alias')
  await symlink(directory, alias)
  await linkOrCopy(join(alias, 'blobs', 'b'), join(alias, 'snapshots', 'd', 'x'))
  assert.equal(await readlink(join(directory, 'snapshots', 'd', 'x')), join('..', '..', 'blobs', 'b'))
})

test('a system without links gets a copy, once', async (t) => {
  const { directory, blob, target } = await blobIn(t)
  await linkOrCopy(blob, target, noLinks)
  const copied = await lstat(target)
  assert.ok(copied.isFile())
  assert.equal(await readFile(target, 'utf8'), 'content')
  await linkOrCopy(blob, target, noLinks)
  assert.equal((await lstat(target)).ino, copied.ino)
  assert.deepEqual(await filesBelow(directory), ['blobs/b', 'snapshots/c/config.json'])
})

test('a broken link, a link elsewhere and a cut copy are replaced', async (t) => {
  const { directory, blob, target } = await blobIn(t)
  await mkdir(join(target, '..'), { recursive: true })
  await symlink('nowhere', target)
  await linkOrCopy(blob, target)
  assert.equal(await readFile(target, 'utf8'), 'content')
  await writeFile(join(directory, 'blobs', 'other'), 'other')
  await linkOrCopy(join(directory, 'blobs', 'other'), target)
  assert.equal(await readFile(target, 'utf8'), 'other')
  await linkOrCopy(blob, target, noLinks)
  await writeFile(target, 'cut')
  await linkOrCopy(blob, target, noLinks)
  assert.equal(await readFile(target, 'utf8'), 'content')
})

test('a cache that cannot be written is a typed error', async (t) => {
  const { directory, blob } = await blobIn(t)
  await assert.rejects(linkOrCopy(blob, join(directory, 'blobs', 'b', 'x')), { code: 'file-unwritable' })
})

test('a snapshot counts as complete when its configuration and every shard are there', async (t) => {
  const cacheDir = await temporaryDirectory(t)
  const cache = new CachedRepository(cacheDir, MODEL)
  const snapshot = cache.snapshot(COMMIT)
  assert.equal(await cache.findComplete(COMMIT), undefined)
  await mkdir(snapshot, { recursive: true })
  const weight_map = { a: 'one.safetensors', b: 'two.safetensors' }
  await writeFiles(snapshot, { 'model.safetensors.index.json': { weight_map }, 'one.safetensors': weights(4) })
  assert.equal(await cache.findComplete(COMMIT), undefined)
  await writeFiles(snapshot, { 'two.safetensors': weights(4) })
  assert.equal(await cache.findComplete(COMMIT), undefined)
  await writeFiles(snapshot, { 'config.json': {} })
  assert.deepEqual(await cache.findComplete(COMMIT), { directory: snapshot, tokenizerSettled: false })
  await cache.noteMissing(COMMIT, 'tokenizer.json')
  assert.deepEqual(await cache.findComplete(COMMIT), { directory: snapshot, tokenizerSettled: true })
  assert.equal(await cache.findComplete('main'), undefined)
  await cache.writeRef('main', COMMIT)
  assert.equal((await cache.findComplete('main'))?.directory, snapshot)
})

test('a ref that holds no commit leads nowhere', async (t) => {
  const cache = new CachedRepository(await temporaryDirectory(t), MODEL)
  await mkdir(join(cache.directory, 'refs'), { recursive: true })
  for (const content of ['', '../../etc', 'a'.repeat(41)]) {
    await writeFile(join(cache.directory, 'refs', 'main'), content)
    assert.equal(await cache.commitOf('main'), undefined)
  }
  await writeFile(join(cache.directory, 'refs', 'main'), `${COMMIT}\n`)
  assert.equal(await cache.commitOf('main'), COMMIT)
})
