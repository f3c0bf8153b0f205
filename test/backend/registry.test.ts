import assert from 'node:assert/strict'
import { freemem } from 'node:os'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/executor.js'
import { referenceBackend } from '../../src/backend/reference/backend.js'
import { backends, selectBackend } from '../../src/backend/registry.js'

const fake = (name: string, usable: boolean, detail: string): Backend => ({
  ...referenceBackend,
  name,
  availability: async () => ({ usable, detail }),
})

test('the reference backend is there and runs anywhere', async () => {
  const names = backends().map(({ name }) => name)
  assert.ok(names.includes('reference'))
  assert.equal((await selectBackend('reference')).name, 'reference')
  assert.equal((await referenceBackend.availability()).usable, true)
})

test('auto takes the first backend that is usable', async () => {
  const list = [fake('cuda', false, 'no driver'), fake('cpu', true, 'AVX2'), referenceBackend]
  assert.equal((await selectBackend('auto', list)).name, 'cpu')
})

test('a backend that cannot run here is refused with its own reason and what else there is', async () => {
  const list = [fake('cuda', false, 'no driver; install one'), fake('cpu', true, 'AVX2'), referenceBackend]
  await assert.rejects(selectBackend('cuda', list), ({ code, message }) => {
    assert.equal(code, 'device-unavailable')
    assert.match(message, /device cuda cannot be used: no driver; install one/)
    assert.match(message, /choose auto or one of: cpu \(AVX2\); reference \(plain TypeScript/)
    return true
  })
})

test('a backend that does not exist is refused with those that do', async () => {
  const message = /device cuda cannot be used: this version has no such backend; .*reference \(plain/
  await assert.rejects(selectBackend('cuda', [referenceBackend]), { code: 'device-unavailable', message })
})

test('where nothing runs, auto says why of each', async () => {
  const list = [fake('cuda', false, 'no driver'), fake('cpu', false, 'no AVX2')]
  const message = /no backend can run here: cuda \(no driver\); cpu \(no AVX2\)/
  await assert.rejects(selectBackend('auto', list), { code: 'device-unavailable', message })
  await assert.rejects(selectBackend('cpu', list), { message: /no AVX2; no other can be used either/ })
})

test('the memory budget is positive and leaves some of what is free', async () => {
  const budget = await referenceBackend.memoryBudget()
  assert.ok(budget > 0 && Number.isInteger(budget))
  assert.ok(budget < freemem() * 1.2)
})
