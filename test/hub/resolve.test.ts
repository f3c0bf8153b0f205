import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { resolveModel } from '../../src/hub/index.js'
import { temporaryDirectory } from '../weights/support.js'
import { FakeHub, MODEL, sendStatus } from './fake-hub.js'
import { pulling, tinyModel } from './support.js'

test('a local directory is taken before anything of that name elsewhere', async (t) => {
  const directory = await temporaryDirectory(t)
  assert.equal(await resolveModel(directory), directory)
  assert.equal(await resolveModel('test'), join(process.cwd(), 'test'))
})

test('what is neither a directory nor a model name is refused without asking the hub', async (t) => {
  const hub = await FakeHub.start(t, {})
  const { defaults } = await pulling(t, hub)
  for (const name of [
    './none',
    '../none/x',
    '/none/at/all',
    '~/none',
    'C:\\none',
    'a/b/c',
    '',
    'a\0b',
    'a b',
    '.hidden/x',
  ]) {
    await assert.rejects(resolveModel(name, defaults), { code: 'model-not-found' }, name)
  }
  const file = join(await temporaryDirectory(t), 'model.safetensors')
  await writeFile(file, '')
  await assert.rejects(resolveModel(file, defaults), { code: 'model-not-found', message: /is a file/ })
  assert.equal(hub.seen.length, 0)
})

test('a model that is not here is fetched once, and afterwards the hub is left alone', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { defaults, repository } = await pulling(t, hub)
  const directory = await resolveModel(MODEL, defaults)
  assert.ok(directory.startsWith(join(repository, 'snapshots')))
  const requests = hub.seen.length
  assert.ok(requests > 0)
  assert.equal(await resolveModel(MODEL, defaults), directory)
  assert.equal(await resolveModel(MODEL, { ...defaults, offline: true }), directory)
  assert.equal(hub.seen.length, requests)
})

test('a model without a tokenizer is known to have none', async (t) => {
  const { 'config.json': config, 'model.safetensors': model } = tinyModel()
  const hub = await FakeHub.start(t, { 'config.json': config, 'model.safetensors': model })
  const { defaults } = await pulling(t, hub)
  const directory = await resolveModel(MODEL, defaults)
  const requests = hub.seen.length
  assert.equal(await resolveModel(MODEL, defaults), directory)
  assert.equal(hub.seen.length, requests)
})

test('weights fetched without their tokenizer are completed, or stand as they are when the hub is out of reach', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { defaults } = await pulling(t, hub)
  const directory = await resolveModel(MODEL, defaults)
  await rm(join(directory, 'tokenizer.json'))
  const requests = hub.seen.length
  hub.intercept = (_, response) => sendStatus(response, 503)
  assert.equal(await resolveModel(MODEL, defaults), directory)
  assert.equal(await resolveModel(MODEL, { ...defaults, offline: true }), directory)
  assert.ok(hub.seen.length > requests)
  hub.intercept = () => false
  await resolveModel(MODEL, defaults)
  const asked = hub.seen.length
  await resolveModel(MODEL, defaults)
  assert.equal(hub.seen.length, asked)
})

test('an incomplete cache is no model when offline', async (t) => {
  const hub = await FakeHub.start(t, tinyModel())
  const { defaults } = await pulling(t, hub)
  await rm(join(await resolveModel(MODEL, defaults), 'model.safetensors'))
  await assert.rejects(resolveModel(MODEL, { ...defaults, offline: true }), { code: 'hub-offline' })
})
