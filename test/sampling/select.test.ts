import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kthLargest, largest, largestIds } from '../../src/backend/reference/sampling/select.js'

/** Few different values, so that ties are common. */
const values = fc
  .array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(-Infinity), fc.float({ noNaN: true, max: 100 })), {
    minLength: 1,
    maxLength: 40,
  })
  .map((list) => Float32Array.from(list))

function bestFirst(list: Float32Array): number[] {
  const finite = [...list.keys()].filter((id) => list[id]! > -Infinity)
  return finite.sort((a, b) => list[b]! - list[a]! || a - b)
}

test('the largest ids are those of a full sort, ties by lowest id, without impossible ones', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 50 }), (list, count) => {
      assert.deepEqual([...largestIds(list, count)], bestFirst(list).slice(0, count))
    }),
  )
})

test('the largest id is the lowest of those tied', () => {
  fc.assert(fc.property(values, (list) => assert.equal(largest(list), bestFirst(list)[0] ?? -1)))
})

test('there is no largest id among values that are not logits', () => {
  for (const wrong of [Number.NaN, Infinity]) {
    for (const place of [0, 1, 2]) {
      const list = Float32Array.of(1, 3, 2)
      list[place] = wrong
      assert.equal(largest(list), -1)
    }
  }
  assert.equal(largest(Float32Array.of(-Infinity, -Infinity)), -1)
})

test('the k-th largest value is that of a full sort', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 50 }), (list, k) => {
      const sorted = list.slice().sort().reverse()
      assert.equal(kthLargest(list, k), sorted[Math.min(k, list.length) - 1])
    }),
  )
})
