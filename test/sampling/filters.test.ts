import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { distribution } from '../../src/backend/reference/sampling/distribution.js'
import { drawRow, kept, logitsOf } from './plain-row.js'

const logits = fc
  .array(fc.oneof(fc.integer({ min: -4, max: 4 }), fc.float({ min: -20, max: 20, noNaN: true })), {
    minLength: 1,
    maxLength: 30,
  })
  .map((list) => Float32Array.from(list))
const share = fc.double({ min: 0, max: 1, noNaN: true })

function isSubset(inner: readonly number[], outer: readonly number[]): boolean {
  return inner.every((id) => outer.includes(id))
}

test('probabilities add up to 1 whatever is filtered', () => {
  const filters = fc.record({
    temperature: fc.double({ min: 0.01, max: 5, noNaN: true }),
    topK: fc.integer({ min: 0, max: 40 }),
    topP: share,
    minP: share,
  })
  fc.assert(
    fc.property(logits, filters, (list, given) => {
      const sum = distribution(list, drawRow(given)).reduce((a, b) => a + b)
      assert.ok(Math.abs(sum - 1) < 1e-5, `${sum}`)
    }),
  )
})

test('a stricter filter keeps a subset', () => {
  fc.assert(
    fc.property(logits, share, share, fc.nat(40), fc.nat(40), (list, a, b, k, l) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)]
      const [few, many] = [Math.min(k, l) + 1, Math.max(k, l) + 1]
      const of = (given: object) => kept(distribution(list, drawRow(given)))
      assert.ok(isSubset(of({ topP: low }), of({ topP: high })))
      assert.ok(isSubset(of({ minP: high }), of({ minP: low })))
      assert.ok(isSubset(of({ topK: few }), of({ topK: many })))
    }),
  )
})

test('top-k keeps k tokens and those tied with the last of them', () => {
  fc.assert(
    fc.property(logits, fc.integer({ min: 1, max: 40 }), (list, topK) => {
      const border = list.slice().sort().reverse()[Math.min(topK, list.length) - 1]!
      const expected = [...list.keys()].filter((id) => list[id]! >= border)
      assert.deepEqual(kept(distribution(list, drawRow({ topK }))), expected)
    }),
  )
})

test('top-k beyond the vocabulary changes nothing', () => {
  const list = Float32Array.of(1, 3, 2)
  assert.deepEqual(distribution(list, drawRow({ topK: 4 })), distribution(list, drawRow()))
})

test('top-p keeps the smallest set of likeliest tokens that reaches its mass', () => {
  fc.assert(
    fc.property(logits, share, (list, topP) => {
      const all = distribution(list, drawRow())
      const set = kept(distribution(list, drawRow({ topP })))
      const massOf = (ids: readonly number[]) => ids.reduce((sum, id) => sum + all[id]!, 0)
      const lightest = Math.min(...set.map((id) => all[id]!))
      assert.ok(massOf(set) >= topP - 1e-5)
      assert.ok(set.length === 1 || massOf(set) - lightest <= topP + 1e-5)
      assert.ok(all.every((p, id) => set.includes(id) || p <= lightest))
    }),
  )
})

test('top-p stops at the token that reaches its mass exactly', () => {
  const list = logitsOf([0.25, 0.25, 0.5])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.5 }))), [2])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.51 }))), [0, 2])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.76 }))), [0, 1, 2])
})

test('of tokens tied at the border top-p keeps the lowest ids', () => {
  const list = new Float32Array(8)
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.5 }))), [0, 1, 2, 3])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0 }))), [0])
})

test('top-p counts the mass that top-k left', () => {
  const list = logitsOf([0.4, 0.2, 0.2, 0.2])
  assert.deepEqual(kept(distribution(list, drawRow({ topK: 1, topP: 0.9 }))), [0])
  const skewed = logitsOf([0.4, 0.3, 0.15, 0.15])
  assert.deepEqual(kept(distribution(skewed, drawRow({ topP: 0.5 }))), [0, 1])
  assert.deepEqual(kept(distribution(skewed, drawRow({ topK: 2, topP: 0.5 }))), [0])
})

test('min-p keeps what has that share of the best probability', () => {
  const list = logitsOf([0.1, 0.5, 0.26, 0.14])
  assert.deepEqual(kept(distribution(list, drawRow({ minP: 0.5 }))), [1, 2])
  assert.deepEqual(kept(distribution(list, drawRow({ minP: 1 }))), [1])
})

test('temperature comes before top-p', () => {
  const list = logitsOf([0.6, 0.3, 0.1])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.65 }))), [0, 1])
  assert.deepEqual(kept(distribution(list, drawRow({ topP: 0.65, temperature: 0.3 }))), [0])
})

test('no temperature overflows', () => {
  const list = Float32Array.of(1e30, -1e30, 1e30)
  for (const temperature of [1e-300, 1e-30, 1e30]) {
    const probabilities = distribution(list, drawRow({ temperature }))
    assert.ok(probabilities.every(Number.isFinite))
    assert.equal(probabilities[0], probabilities[2])
  }
})
