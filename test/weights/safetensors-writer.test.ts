import assert from 'node:assert/strict'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openSafetensors, writeSafetensors } from '../../src/weights/safetensors.js'
import { openFilesIn, temporaryDirectory } from './support.js'

const one = { name: 'a', dtype: 'U8' as const, shape: [1], data: Uint8Array.of(1) }

test('data may come piece by piece and is asked for only when its turn comes', async (t) => {
  const path = join(await temporaryDirectory(t), 'm.safetensors')
  const order: string[] = []
  async function* pieces(name: string, ...bytes: number[]) {
    for (const byte of bytes) {
      order.push(name)
      yield Uint8Array.of(byte)
    }
  }
  await writeSafetensors(path, [
    { name: 'b', dtype: 'U8', shape: [2], data: pieces('b', 1, 2) },
    { name: 'a', dtype: 'U8', shape: [1], data: pieces('a', 3) },
    { name: 'c', dtype: 'U16', shape: [1], data: [Uint8Array.of(4), Uint8Array.of(5)] },
  ])
  assert.deepEqual(order, ['a', 'b', 'b'])
  const file = await openSafetensors(path)
  assert.deepEqual([...file.tensors.keys()], ['c', 'a', 'b'])
  assert.deepEqual(await file.read('b'), Uint8Array.of(1, 2))
  assert.deepEqual([...file.metadata], [['format', 'pt']])
  await file.close()
})

test('a write that fails leaves the old file as it was and nothing else', async (t) => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'm.safetensors')
  await writeSafetensors(path, [one])
  const before = await readFile(path)
  async function* failing() {
    yield new Uint8Array(10)
    throw new Error('the source broke')
  }
  await assert.rejects(writeSafetensors(path, [{ ...one, shape: [20], data: failing() }]), /the source broke/)
  for (const length of [19, 21]) {
    const wrong = { ...one, shape: [20], data: new Uint8Array(length) }
    await assert.rejects(writeSafetensors(path, [wrong]), { code: 'tensor-invalid', message: /needs 20 bytes/ })
  }
  assert.deepEqual(await readFile(path), before)
  assert.deepEqual(await readdir(directory), ['m.safetensors'])
  assert.deepEqual(openFilesIn(directory) ?? [], [])
})

test('tensors that no reader would take are refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'm.safetensors')
  await assert.rejects(writeSafetensors(path, [one, one]), { code: 'tensor-invalid', message: /two tensors/ })
  await assert.rejects(writeSafetensors(path, [{ ...one, name: '__metadata__' }]), { code: 'tensor-invalid' })
  for (const shape of [[-1], [0.5, 2], [2 ** 40, 2 ** 40]]) {
    await assert.rejects(writeSafetensors(path, [{ ...one, shape }]), { code: 'tensor-invalid' })
  }
  assert.deepEqual(await readdir(join(path, '..')), [])
})

test('a place that cannot be written is a typed error', async (t) => {
  const directory = await temporaryDirectory(t)
  await assert.rejects(writeSafetensors(join(directory, 'none', 'm'), [one]), { code: 'file-unwritable' })
  await mkdir(join(directory, 'taken'))
  await assert.rejects(writeSafetensors(join(directory, 'taken'), [one]), { code: 'file-unwritable' })
  assert.deepEqual(await readdir(directory), ['taken'])
})
