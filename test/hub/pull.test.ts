import assert from 'node:assert/strict'
import { readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type PullProgress, pull } from '../../src/hub/index.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'
import { COMMIT, FakeHub, gitHash, MODEL, sendJson, sha256 } from './fake-hub.js'
import { filesBelow, pulling, tinyModel, weights } from './support.js'

test('a model lands in the layout that all hub tools share, and opens from there', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  const directory = await pull()
  assert.equal(directory, join(repository, 'snapshots', COMMIT))
  const hashes = [...hub.files.values()].map(({ content, large }) => (large ? sha256(content) : gitHash(content)))
  const links = [...hub.files.keys()].map((path) => `snapshots/${COMMIT}/${path}`)
  const expected = [...hashes.map((hash) => `blobs/${hash}`), ...links, 'refs/main'].sort()
  assert.deepEqual(await filesBelow(repository), expected)
  assert.equal(await readFile(join(repository, 'refs', 'main'), 'utf8'), COMMIT)
  const large = sha256(hub.files.get('model.safetensors')!.content)
  assert.equal(await readlink(join(directory, 'model.safetensors')), join('..', '..', 'blobs', large))
  const checkpoint = await openCheckpoint(directory)
  assert.equal(checkpoint.tensors.get('w')?.byteLength, 200_000)
  await checkpoint.close()
})

test('only the files that running a model takes are fetched', async (t) => {
  const wanted = {
    ...tinyModel(),
    'generation_config.json': { a: 1 },
    'tokenizer_config.json': { a: 2 },
    'special_tokens_map.json': { a: 3 },
    'added_tokens.json': { a: 4 },
    'vocab.json': { a: 5 },
    'merges.txt': 'a b',
    'chat_template.jinja': '{{ messages }}',
  }
  const unwanted = [
    'README.md',
    'pytorch_model.bin',
    'tf_model.h5',
    'consolidated.safetensors',
    'training_args.bin',
    'onnx/model.safetensors',
    'original/config.json',
    'evil.json',
    '.gitattributes',
  ]
  const hub = await FakeHub.start(t, { ...wanted, ...Object.fromEntries(unwanted.map((path) => [path, 'x'])) })
  const { pull } = await pulling(t, hub)
  assert.deepEqual(await filesBelow(await pull()), Object.keys(wanted).sort())
  assert.equal(hub.asked('/resolve/').length, Object.keys(wanted).length)
})

test('a sharded model is fetched by its index, and no other weights with it', async (t) => {
  const index = { weight_map: { a: 'model-00001-of-00002.safetensors', b: 'part/model-00002-of-00002.safetensors' } }
  const hub = await FakeHub.start(t, {
    'config.json': {},
    'model.safetensors.index.json': index,
    'model-00001-of-00002.safetensors': weights(10, 3),
    'part/model-00002-of-00002.safetensors': weights(10, 5),
    'consolidated.safetensors': weights(10, 7),
  })
  const { pull } = await pulling(t, hub)
  const progress: PullProgress[] = []
  const found = await filesBelow(await pull({ onProgress: (step) => progress.push(step) }))
  assert.deepEqual(found, ['config.json', ...Object.values(index.weight_map), 'model.safetensors.index.json'].sort())
  const total = found.reduce((sum, path) => sum + hub.files.get(path)!.content.length, 0)
  assert.ok(progress.every((step) => step.total === total))
  assert.equal(progress.at(-1)!.done, total)
})

test('what is there already is not fetched again', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  const directory = await pull()
  const before = hub.asked('/resolve/').length
  assert.equal(await pull(), directory)
  await rm(join(directory, 'config.json'))
  await pull()
  assert.equal(hub.asked('/resolve/').length, before)
  assert.equal(await readFile(join(directory, 'config.json'), 'utf8'), '{"model_type":"gpt2"}')
  const blob = join(repository, 'blobs', sha256(hub.files.get('model.safetensors')!.content))
  await writeFile(blob, 'cut by a crash')
  await pull()
  assert.deepEqual(await readFile(blob), hub.files.get('model.safetensors')!.content)
})

test('progress counts every byte once, never runs backwards and ends at the total', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull } = await pulling(t, hub)
  const steps: PullProgress[] = []
  await pull({ onProgress: (step) => steps.push(step) })
  const total = [...hub.files.values()].reduce((sum, { content }) => sum + content.length, 0)
  assert.ok(steps.length > hub.files.size)
  let last = 0
  for (const { file, fileDone, fileTotal, done, total: stated } of steps) {
    assert.ok(done >= last && fileDone <= fileTotal)
    assert.equal(fileTotal, hub.files.get(file)!.content.length)
    assert.equal(stated, total)
    last = done
  }
  assert.equal(last, total)
})

test('a revision is remembered under its name, a commit needs none', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  await pull({ revision: 'refs/pr/1' })
  assert.equal(await readFile(join(repository, 'refs', 'refs', 'pr', '1'), 'utf8'), COMMIT)
  assert.deepEqual(hub.asked('/revision/'), [`/api/models/${MODEL}/revision/refs/pr/1`])
  await pull({ revision: COMMIT })
  assert.equal(hub.asked('/revision/').length, 1)
  assert.deepEqual(await filesBelow(join(repository, 'refs')), ['refs/pr/1'])
})

test('a revision name is remembered only when everything has arrived', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  hub.intercept = (path, response) => path.endsWith('model.safetensors') && !!response.writeHead(404).end()
  await assert.rejects(pull(), { code: 'hub-not-found' })
  assert.deepEqual(await filesBelow(join(repository, 'refs')), [])
})

test('two pulls at once fetch each file once and agree', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  const directories = await Promise.all([pull(), pull(), pull()])
  assert.equal(new Set(directories).size, 1)
  assert.equal(hub.asked('/resolve/').length, hub.files.size)
  for (const [path, { content }] of hub.files) assert.deepEqual(await readFile(join(directories[0], path)), content)
  assert.ok((await filesBelow(join(repository, '..'))).every((path) => !/lock|incomplete|tmp/.test(path)))
})

test('an empty file is a file', async (t) => {
  const hub = await FakeHub.start(t, { ...tinyModel(), 'merges.txt': '' })
  const { pull } = await pulling(t, hub)
  assert.equal(await readFile(join(await pull(), 'merges.txt'), 'utf8'), '')
})

test('offline, the network stays untouched and the cache must hold the model', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { pull, repository } = await pulling(t, hub)
  await assert.rejects(pull({ offline: true }), { code: 'hub-offline', message: /owner\/tiny.*HF_HUB_OFFLINE/ })
  assert.equal(hub.seen.length, 0)
  const directory = await pull()
  const requests = hub.seen.length
  assert.equal(await pull({ offline: true }), directory)
  await assert.rejects(pull({ offline: true, revision: 'other' }), { code: 'hub-offline' })
  await rm(join(repository, 'blobs', sha256(hub.files.get('model.safetensors')!.content)))
  await assert.rejects(pull({ offline: true }), { code: 'hub-offline' })
  assert.equal(hub.seen.length, requests)
})

test('what is no safe model is refused before any file is fetched', async (t) => {
  const cases: [Record<string, string>, string][] = [
    [{ 'config.json': '{}', 'pytorch_model.bin': 'pickle' }, 'checkpoint-pickled'],
    [{ 'model.safetensors': 'x' }, 'config-missing'],
    [{ 'config.json': '{}', 'a.safetensors': 'x', 'b.safetensors': 'x' }, 'checkpoint-ambiguous'],
    [{ 'config.json': '{}' }, 'checkpoint-incomplete'],
  ]
  for (const [files, code] of cases) {
    const hub = await FakeHub.start(t, files)
    const { pull } = await pulling(t, hub)
    await assert.rejects(pull(), { code, message: new RegExp(MODEL) })
    assert.equal(hub.asked('/resolve/').length, 0)
  }
})

test('names and revisions that no hub has are refused before anything is asked', async (t) => {
  const hub = await FakeHub.start(t, {})
  const { defaults } = await pulling(t, hub)
  for (const name of [
    '',
    '..',
    '../x',
    'a/b/c',
    '/abs',
    'a//b',
    'a/..',
    '-a',
    'a.',
    'a--b',
    'a/b.git',
    'a b',
    'a\n',
    'x'.repeat(97),
    'é',
  ]) {
    await assert.rejects(pull(name, defaults), { code: 'hub-name-invalid' }, name)
  }
  for (const revision of ['', '..', '../../x', '/main', 'a/../b', 'a\\b', '-x', 'a b', 'a?b', 'x'.repeat(251), 'a/']) {
    await assert.rejects(pull(MODEL, { ...defaults, revision }), { code: 'hub-revision-invalid' }, revision)
  }
  assert.equal(hub.seen.length, 0)
})

test('no name, path or hash of a hostile server leads out of the cache', async (t) => {
  const lies: [string, (entry: Record<string, unknown>) => object, string][] = [
    ['path', () => ({ path: 'a\\..\\..\\evil.safetensors' }), 'hub-unsafe-path'],
    ['path', () => ({ path: 'C:evil.safetensors' }), 'hub-unsafe-path'],
    ['hash', () => ({ lfs: { oid: '../../../evil', size: 1 } }), 'hub-bad-answer'],
    ['hash', () => ({ lfs: undefined, oid: '../../../evil' }), 'hub-bad-answer'],
    ['hash', () => ({ lfs: { oid: 'A'.repeat(64), size: 1 } }), 'hub-bad-answer'],
    ['size', () => ({ lfs: { oid: 'a'.repeat(64), size: -1 } }), 'hub-bad-answer'],
    ['size', () => ({ lfs: { oid: 'a'.repeat(64), size: 0.5 } }), 'hub-bad-answer'],
    ['size', () => ({ lfs: undefined, size: '3' }), 'hub-bad-answer'],
  ]
  for (const [what, lie, code] of lies) {
    const hub = await FakeHub.start(t, tinyModel())
    hub.relist = (entries) => entries.map((entry) => (entry.lfs ? { ...entry, ...lie(entry) } : entry))
    const { pull, cacheDir } = await pulling(t, hub)
    await assert.rejects(pull(), { name: 'WarplineError', code }, what)
    assert.deepEqual(await filesBelow(cacheDir), [])
  }
})

test('an index that names shards outside the directory is refused', async (t) => {
  for (const shard of ['../../../evil.safetensors', '/evil.safetensors', 'a/../../evil.safetensors']) {
    const index = { weight_map: { a: shard } }
    const hub = await FakeHub.start(t, {
      'config.json': {},
      'model.safetensors.index.json': index,
      [shard]: weights(8),
    })
    const { pull, cacheDir } = await pulling(t, hub)
    await assert.rejects(pull(), { code: 'checkpoint-corrupt', message: /leads out of the directory/ })
    assert.ok((await filesBelow(cacheDir)).every((path) => !path.includes('evil')))
  }
})

test('a shard that the repository lacks is named', async (t) => {
  const index = { weight_map: { a: 'model-00001-of-00001.safetensors' } }
  const hub = await FakeHub.start(t, { 'config.json': {}, 'model.safetensors.index.json': index })
  const { pull } = await pulling(t, hub)
  await assert.rejects(pull(), { code: 'checkpoint-incomplete', message: /model-00001-of-00001\.safetensors/ })
})

test('answers that make no sense are a typed error', async (t) => {
  const answers: unknown[] = [null, 3, 'text', {}, [null, 3, {}, { type: 'file' }], [{ type: 'file', path: 7 }]]
  for (const answer of answers) {
    const hub = await FakeHub.start(t, tinyModel())
    hub.relist = () => answer
    const { pull } = await pulling(t, hub)
    await assert.rejects(
      pull(),
      { name: 'WarplineError', code: /^(hub-bad-answer|config-missing)$/ },
      JSON.stringify(answer),
    )
  }
  for (const answer of [null, [], { sha: '../../evil' }, { sha: 5 }, {}]) {
    const hub = await FakeHub.start(t, tinyModel())
    hub.intercept = (path, response) => path.includes('/revision/') && sendJson(response, answer)
    const { pull } = await pulling(t, hub)
    await assert.rejects(pull(), { name: 'WarplineError', code: 'hub-bad-answer' }, JSON.stringify(answer))
  }
  const hub = await FakeHub.start(t, tinyModel())
  hub.intercept = (path, response) => path.includes('/tree/') && !!response.end('<html>not the API</html>')
  const { pull } = await pulling(t, hub)
  await assert.rejects(pull(), { name: 'WarplineError', code: 'hub-bad-answer' })
})

test('a listing of several pages is read to its end, an endless one is given up', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const all = [...hub.files.keys()]
  let page = 0
  let endless = false
  hub.intercept = (path, response) => {
    if (!path.includes('/tree/')) return false
    const shown = all[page++ % all.length]!
    if (endless || page < all.length) response.setHeader('link', `<${hub.origin}${path}?cursor=${page}>; rel="next"`)
    const { content, large } = hub.files.get(shown)!
    const entry = { type: 'file', path: shown, size: content.length, oid: gitHash(content) }
    sendJson(response, [large ? { ...entry, lfs: { oid: sha256(content), size: content.length } } : entry])
    return true
  }
  const { pull } = await pulling(t, hub)
  assert.deepEqual(await filesBelow(await pull()), [...all].sort())
  endless = true
  await assert.rejects(pull(), { code: 'hub-bad-answer', message: /without end/ })
})
