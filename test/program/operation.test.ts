import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Operation, reads, writes } from '../../src/program/operation.js'

const qkv: Operation = {
  kind: 'qkv-to-cache',
  q: { buffer: 'q', offset: 0, width: 8 },
  k: { buffer: 'kv', offset: 0, width: 8 },
  v: { buffer: 'kv', offset: 8, width: 8 },
  ...{ heads: 2, kvHeads: 2, headDim: 4 },
  queryNorm: { norm: 'rms', epsilon: 1e-6, weight: 'query-norm' },
  keyNorm: { norm: 'layer', epsilon: 1e-6, weight: 'key-norm', bias: 'key-bias' },
  rotary: {
    ...{ dim: 4, pairs: 'half', frequencies: 'frequencies', scale: 1 },
    dynamic: { theta: 1e4, factor: 2, original: 64, lengths: 'lengths' },
  },
  ...{ positions: 'positions', slots: 'slots', keyCache: 'keys', valueCache: 'values', out: 'queries' },
}
const norm: Operation = {
  kind: 'norm',
  ...{ norm: 'rms', epsilon: 1e-6, x: 'x', adds: ['y', 'z'], weight: 'w', sum: 's', out: 'o' },
}
const copy: Operation = { kind: 'copy-blocks', caches: ['keys', 'values'], pairs: 'copies' }
const send: Operation = { kind: 'send', x: 'x', to: 1 }

test('an operation reads every buffer that it names, however deep, and no constant', () => {
  assert.deepEqual(
    new Set(reads(qkv)),
    new Set([
      ...['q', 'kv', 'query-norm', 'key-norm', 'key-bias', 'frequencies', 'lengths'],
      ...['positions', 'slots', 'keys', 'values'],
    ]),
  )
  assert.deepEqual(reads(norm), ['x', 'y', 'z', 'w'])
  assert.deepEqual(reads(copy), ['keys', 'values', 'copies'])
  assert.deepEqual(reads(send), ['x'])
})

test('an operation writes its results, and caches in place', () => {
  assert.deepEqual(new Set(writes(qkv)), new Set(['queries', 'keys', 'values']))
  assert.deepEqual(new Set(writes(norm)), new Set(['s', 'o']))
  assert.deepEqual(writes(copy), ['keys', 'values'])
  assert.deepEqual(writes(send), [])
})
