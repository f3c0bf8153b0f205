import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alibiSlopes } from '../../src/model/alibi.js'

test('slopes of eight heads halve from head to head', () => {
  assert.deepEqual(alibiSlopes(8), [2 ** -1, 2 ** -2, 2 ** -3, 2 ** -4, 2 ** -5, 2 ** -6, 2 ** -7, 2 ** -8])
})

test('other counts of heads add every other slope of twice as many', () => {
  assert.deepEqual(alibiSlopes(6), [2 ** -2, 2 ** -4, 2 ** -6, 2 ** -8, 2 ** -1, 2 ** -3])
  const twelve = alibiSlopes(12)
  assert.deepEqual(twelve.slice(0, 8), alibiSlopes(8))
  twelve.slice(8).forEach((slope, i) => {
    assert.ok(Math.abs(slope / 2 ** -(0.5 + i) - 1) < 1e-6)
  })
  assert.deepEqual(alibiSlopes(1), [2 ** -8])
})
