import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { roundTo } from '../../src/model/rounding.js'
import { fromFloat32, toFloat32 } from '../../src/weights/dtype.js'

const normal = fc.double({ min: 1e-4, max: 6e4, noNaN: true }).map(Math.fround)

for (const [type, stored] of [
  ['bf16', 'BF16'],
  ['f16', 'F16'],
] as const) {
  test(`${type}: rounds as storing does`, () => {
    fc.assert(
      fc.property(normal, fc.boolean(), (size, negative) => {
        const value = negative ? -size : size
        assert.equal(roundTo(type, value), toFloat32(stored, fromFloat32(stored, Float32Array.of(value)))[0])
      }),
    )
  })
}

test('types without a precision of their own round to float32', () => {
  for (const type of ['f32', 'int8', 'int4'] as const) assert.equal(roundTo(type, 0.1), Math.fround(0.1))
  assert.equal(roundTo('bf16', 0), 0)
})
