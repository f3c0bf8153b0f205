import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOST_IDS, ID_SOURCES, InputLayout } from '../../../src/backend/cuda/input-layout.js'
import { bucketOf, keyOf, shapeOf } from '../../../src/backend/cuda/step-sizes.js'
import type { StepInputs } from '../../../src/program/step.js'

const NAMES = new Set([
  'ids',
  'positions',
  'slots',
  'query-starts',
  'context-lengths',
  'block-tables',
  'rows',
  'copies',
])

/** Two sequences of one new token each, tables three blocks wide. */
const decode: StepInputs = {
  ids: Int32Array.of(11, 12),
  idsFrom: Int32Array.of(-1, 0),
  positions: Int32Array.of(40, 7),
  slots: Int32Array.of(168, 71),
  queryStarts: Int32Array.of(0, 1, 2),
  contextLengths: Int32Array.of(41, 8),
  blockTables: Int32Array.of(9, 10, 0, 4, 0, 0),
  rows: Int32Array.of(0, 1),
  copies: new Int32Array(0),
  sampling: [],
}

function written(inputs: StepInputs, tokens: number, stride: number) {
  const sizes = { tokens, rows: tokens, sequences: tokens, copies: 0, longestQuery: 1, longestContext: 64 }
  const layout = new InputLayout(sizes, stride, NAMES)
  const staging = new ArrayBuffer(layout.bytes)
  // What an earlier, larger step left.
  new Int32Array(staging).fill(77)
  layout.write(inputs, staging)
  return (ref: string, count: number) => [...new Int32Array(staging, layout.offsetOf(ref)!, count)]
}

describe('a step as the device gets it', () => {
  test('what a bucket does not fill is padding', () => {
    const at = written(decode, 4, 3)
    assert.deepEqual(at(HOST_IDS, 4), [11, 12, 0, 0])
    assert.deepEqual(at(ID_SOURCES, 4), [-1, 0, -1, -1])
    assert.deepEqual(at('positions', 4), [40, 7, 0, 0])
    assert.deepEqual(at('slots', 4), [168, 71, -1, -1])
    assert.deepEqual(at('query-starts', 5), [0, 1, 2, 3, 4])
    assert.deepEqual(at('context-lengths', 4), [41, 8, 0, 0])
    assert.deepEqual(at('rows', 4), [0, 1, 0, 0])
    assert.deepEqual(at('block-tables', 6), [9, 10, 0, 4, 0, 0])
  })

  test('tables of another width are laid out anew', () => {
    const at = written(decode, 2, 5)
    assert.deepEqual(
      at('block-tables', 10).filter((_, i) => i % 5 < 3),
      [9, 10, 0, 4, 0, 0],
    )
  })

  test('arrays do not overlap and begin on boundaries of 256 bytes', () => {
    const sizes = { tokens: 33, rows: 5, sequences: 7, copies: 2, longestQuery: 9, longestContext: 64 }
    const layout = new InputLayout(sizes, 11, NAMES)
    const offsets = [HOST_IDS, ID_SOURCES, ...[...NAMES].filter((name) => name !== 'ids')].map(
      (name) => layout.offsetOf(name)!,
    )
    assert.equal(new Set(offsets).size, offsets.length)
    for (const offset of offsets) assert.equal(offset % 256, 0)
    assert.equal(layout.offsetOf('rotary-lengths'), undefined)
  })
})

describe('the sizes that a step is planned for', () => {
  const room = { tokens: 64, context: 4096 }

  test('decode steps share buckets', () => {
    const { sizes, padded } = shapeOf(decode, room)
    assert.equal(padded, true)
    assert.deepEqual(sizes, { tokens: 2, rows: 2, sequences: 2, copies: 0, longestQuery: 1, longestContext: 4096 })
    assert.deepEqual([1, 3, 9, 65, 250, 257, 600].map(bucketOf), [1, 4, 12, 96, 256, 512, 768])
  })

  test('a bucket that has no room is not used', () => {
    assert.equal(shapeOf(decode, { tokens: 1, context: 4096 }).padded, false)
  })

  test('prompts, copies and picked rows keep their own sizes', () => {
    const prompt = {
      ...decode,
      queryStarts: Int32Array.of(0, 2),
      contextLengths: Int32Array.of(8),
      rows: Int32Array.of(1),
    }
    const { sizes, padded } = shapeOf(prompt, room)
    assert.equal(padded, false)
    assert.deepEqual(sizes, { tokens: 2, rows: 1, sequences: 1, copies: 0, longestQuery: 2, longestContext: 8 })
    assert.equal(shapeOf({ ...decode, copies: Int32Array.of(1, 2) }, room).sizes.copies, 1)
    assert.equal(shapeOf({ ...decode, rows: Int32Array.of(1, 1) }, room).padded, false)
    assert.notEqual(keyOf(sizes), keyOf(shapeOf(decode, room).sizes))
  })
})
