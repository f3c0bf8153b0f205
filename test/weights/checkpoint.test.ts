import assert from 'node:assert/strict'
import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Checkpoint, openCheckpoint } from '../../src/weights/checkpoint.js'
import { writeSafetensors } from '../../src/weights/safetensors.js'
import { openFilesIn, temporaryDirectory, writeFiles } from './support.js'

const vector = (name: string, ...values: number[]) => ({
  name,
  dtype: 'F32' as const,
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
})

async function modelDirectory(t: TestContext, files: Record<string, string | Uint8Array | object> = {}) {
  const directory = await temporaryDirectory(t)
  await writeFiles(directory, { 'config.json': { model_type: 'gpt2', n_embd: 4 }, ...files })
  return directory
}

async function opened(t: TestContext, directory: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(directory)
  t.after(() => checkpoint.close())
  return checkpoint
}

async function shardedDirectory(t: TestContext, weightMap?: unknown) {
  const directory = await modelDirectory(t, {
    'model.safetensors.index.json': {
      metadata: { total_size: 16 },
      weight_map: weightMap ?? { c: 'model-00002-of-00002.safetensors', a: 'model-00001-of-00002.safetensors' },
    },
  })
  await writeSafetensors(join(directory, 'model-00001-of-00002.safetensors'), [vector('a', 1, 2), vector('b', 3)])
  await writeSafetensors(join(directory, 'model-00002-of-00002.safetensors'), [vector('c', 4)])
  return directory
}

test('a single file is opened with the configuration beside it', async (t) => {
  const directory = await modelDirectory(t)
  await writeSafetensors(join(directory, 'model.safetensors'), [vector('w', 1, 2, 3)])
  const checkpoint = await opened(t, directory)
  assert.deepEqual(checkpoint.config, { model_type: 'gpt2', n_embd: 4 })
  assert.equal(checkpoint.directory, directory)
  assert.deepEqual(checkpoint.tensors.get('w')?.shape, [3])
  assert.deepEqual(await checkpoint.readFloat32('w', { start: 1 }), Float32Array.of(2, 3))
  assert.deepEqual(await checkpoint.read('w', { length: 1 }), Uint8Array.of(0, 0, 0x80, 0x3f))
  const target = new Uint8Array(4)
  await checkpoint.readInto('w', target, { start: 1, length: 1 })
  assert.deepEqual(target, Uint8Array.of(0, 0, 0, 0x40))
})

test('shards are read as one model, whichever file a tensor lies in', async (t) => {
  const checkpoint = await opened(t, await shardedDirectory(t))
  assert.deepEqual([...checkpoint.tensors.keys()], ['a', 'c'])
  assert.deepEqual(await checkpoint.readFloat32('a'), Float32Array.of(1, 2))
  assert.deepEqual(await checkpoint.readFloat32('c'), Float32Array.of(4))
  assert.match(checkpoint.tensors.get('c')!.file, /00002-of/)
  await assert.rejects(checkpoint.read('b'), { code: 'tensor-missing' })
})

test('missing shards are all named', async (t) => {
  const directory = await shardedDirectory(t, {
    a: 'model-00001-of-00002.safetensors',
    x: 'x.safetensors',
    y: 'y.safetensors',
  })
  const message = /lacks 2 of 3 weight files: x\.safetensors, y\.safetensors/
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-incomplete', message })
})

test('a broken link to a shard counts as missing', async (t) => {
  const directory = await shardedDirectory(t)
  await unlink(join(directory, 'model-00002-of-00002.safetensors'))
  await symlink('nowhere', join(directory, 'model-00002-of-00002.safetensors'))
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-incomplete' })
})

test('links to files elsewhere are followed, as in the shared cache of downloads', async (t) => {
  const directory = await modelDirectory(t)
  const blob = join(await temporaryDirectory(t), 'blob')
  await writeSafetensors(blob, [vector('w', 1)])
  await symlink(blob, join(directory, 'model.safetensors'))
  assert.deepEqual(await (await opened(t, directory)).readFloat32('w'), Float32Array.of(1))
})

test('an index whose shards lead out of the directory is refused', async (t) => {
  const names = [
    '../x.safetensors',
    '/etc/x.safetensors',
    'a/../../x.safetensors',
    '..\\x.safetensors',
    'C:x.safetensors',
  ]
  for (const name of [...names, '', '.', 'a//x.safetensors', 'a\u0000.safetensors', '..']) {
    const message = /leads out of the directory/
    await assert.rejects(openCheckpoint(await shardedDirectory(t, { a: name })), {
      code: 'checkpoint-corrupt',
      message,
    })
  }
})

test('shards in a directory below are allowed', async (t) => {
  const directory = await shardedDirectory(t, { w: 'part/one.safetensors' })
  await mkdir(join(directory, 'part'))
  await writeSafetensors(join(directory, 'part', 'one.safetensors'), [vector('w', 1)])
  assert.deepEqual([...(await opened(t, directory)).tensors.keys()], ['w'])
})

test('a damaged index is refused and says why', async (t) => {
  const index = (text: string | object) => ({ 'model.safetensors.index.json': text })
  const cases: [string | object | Uint8Array, RegExp][] = [
    ['{', /was expected/],
    ['[]', /"\{" was expected/],
    [{}, /has no weight_map/],
    [{ weight_map: {} }, /weight_map is empty/],
    [{ weight_map: [] }, /"\{" was expected/],
    [{ weight_map: { a: 1 } }, /a string was expected/],
    [{ weight_map: { a: 'pytorch_model-1.bin' } }, /no safetensors file/],
    ['{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', /"a" appears twice/],
    [Uint8Array.of(0x7b, 0xff, 0x7d), /not valid UTF-8/],
  ]
  for (const [content, message] of cases) {
    const directory = await modelDirectory(t, index(content))
    await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-corrupt', message })
  }
})

test('an index that promises a tensor its shard lacks is refused, naming both', async (t) => {
  const directory = await shardedDirectory(t, { z: 'model-00001-of-00002.safetensors' })
  const message = /"model-00001-of-00002\.safetensors" holds the tensor "z"/
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-corrupt', message })
  assert.deepEqual(openFilesIn(directory) ?? [], [])
})

test('one damaged shard closes the others again', async (t) => {
  const directory = await shardedDirectory(t)
  await writeFile(join(directory, 'model-00002-of-00002.safetensors'), 'damaged file')
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-corrupt' })
  assert.deepEqual(openFilesIn(directory) ?? [], [])
})

test('closing a checkpoint releases every shard', async (t) => {
  const directory = await shardedDirectory(t)
  const checkpoint = await openCheckpoint(directory)
  assert.ok((openFilesIn(directory) ?? [1, 2]).length === 2)
  await checkpoint.close()
  await checkpoint[Symbol.asyncDispose]()
  assert.deepEqual(openFilesIn(directory) ?? [], [])
  await assert.rejects(checkpoint.read('a'), { code: 'checkpoint-closed' })
})

test('the only safetensors file is taken under any name, several are ambiguous, the standard name decides', async (t) => {
  const directory = await modelDirectory(t)
  await writeSafetensors(join(directory, 'weights.safetensors'), [vector('w', 1)])
  assert.deepEqual(await (await opened(t, directory)).readFloat32('w'), Float32Array.of(1))
  await writeSafetensors(join(directory, 'other.safetensors'), [vector('w', 2)])
  const message = /other\.safetensors, weights\.safetensors/
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-ambiguous', message })
  await rename(join(directory, 'other.safetensors'), join(directory, 'model.safetensors'))
  assert.deepEqual(await (await opened(t, directory)).readFloat32('w'), Float32Array.of(2))
})

test('shards without their index are incomplete, not a model', async (t) => {
  const directory = await modelDirectory(t)
  await writeSafetensors(join(directory, 'model-00001-of-00002.safetensors'), [vector('w', 1)])
  await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-incomplete', message: /index\.json/ })
})

test('pickled checkpoints are refused with the way to convert them', async (t) => {
  for (const name of ['pytorch_model.bin', 'pytorch_model-00001-of-00002.bin', 'model.pt', 'a.pth', 'last.ckpt']) {
    const directory = await modelDirectory(t, { [name]: 'pickle' })
    const message = /run any code.*save_pretrained.*safetensors\/convert/
    await assert.rejects(openCheckpoint(directory), { code: 'checkpoint-pickled', message }, name)
  }
  const both = await modelDirectory(t, { 'pytorch_model.bin': 'pickle', 'training_args.bin': 'pickle' })
  await writeSafetensors(join(both, 'model.safetensors'), [vector('w', 1)])
  assert.equal((await opened(t, both)).tensors.size, 1)
})

test('a directory without weights or configuration says which file is missing', async (t) => {
  const empty = await temporaryDirectory(t)
  await assert.rejects(openCheckpoint(empty), { code: 'config-missing', message: /config\.json/ })
  const bare = await modelDirectory(t, { 'training_args.bin': 'x', '.hidden.safetensors': 'x' })
  await assert.rejects(openCheckpoint(bare), {
    code: 'checkpoint-incomplete',
    message: /model\.safetensors is missing/,
  })
})

test('a configuration that is no JSON object is refused', async (t) => {
  for (const content of ['', '{', '[]', 'null', '3', '{"a":NaN}', Uint8Array.of(0x22, 0xff, 0x22)]) {
    const directory = await modelDirectory(t, { 'config.json': content })
    await assert.rejects(openCheckpoint(directory), { code: 'config-invalid', message: /config\.json/ })
  }
  const directory = await temporaryDirectory(t)
  await mkdir(join(directory, 'config.json'))
  await assert.rejects(openCheckpoint(directory), { code: 'file-unreadable', message: /it is a directory/ })
})

test('a path that is no directory is no model', async (t) => {
  const directory = await modelDirectory(t)
  await assert.rejects(openCheckpoint(join(directory, 'none')), { code: 'model-not-found', message: /does not exist/ })
  await assert.rejects(openCheckpoint(join(directory, 'config.json')), {
    code: 'model-not-found',
    message: /is no directory/,
  })
})
