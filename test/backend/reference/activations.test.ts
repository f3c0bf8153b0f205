import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activations } from '../../../src/backend/reference/activations.js'
import { erf } from '../../../src/backend/reference/erf.js'

/** Abramowitz & Stegun, table 7.1, and further digits. */
const ERF: readonly (readonly [number, number])[] = [
  [0, 0],
  [1e-9, 1.128379167095513e-9],
  [0.1, 0.1124629160182849],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [1.5, 0.9661051464753108],
  [2, 0.9953222650189527],
  [2.9, 0.9999589021219005],
  [3, 0.9999779095030014],
  [3.1, 0.9999883513426328],
  [4, 0.9999999845827421],
  [6, 1],
  [50, 1],
]

test('erf has the digits of the table, and is odd', () => {
  for (const [x, value] of ERF) {
    assert.ok(Math.abs(erf(x) - value) <= 1e-14 * Math.max(value, 1e-9), `erf(${x}) = ${erf(x)}`)
    assert.equal(erf(-x), -erf(x))
  }
  assert.ok(Number.isNaN(erf(Number.NaN)))
  assert.equal(erf(Number.POSITIVE_INFINITY), 1)
})

test('erf is smooth where its two forms meet', () => {
  const slope = (erf(3 + 1e-6) - erf(3 - 1e-6)) / 2e-6
  assert.ok(Math.abs(slope - (2 / Math.sqrt(Math.PI)) * Math.exp(-9)) < 1e-9)
})

/** As torch.nn.functional computes them, to float32. */
const VALUES: Record<keyof typeof activations, readonly (readonly [number, number])[]> = {
  relu: [
    [-1, 0],
    [2, 2],
  ],
  relu2: [
    [-1, 0],
    [3, 9],
  ],
  gelu: [
    [1, 0.8413447],
    [-1, -0.1586553],
    [-3, -0.0040496939],
    [0.5, 0.34573123],
  ],
  'gelu-tanh': [
    [1, 0.841192],
    [-1, -0.158808],
    [3, 2.9963627],
  ],
  'gelu-quick': [
    [1, 0.84579575],
    [-2, -0.06434137],
  ],
  silu: [
    [1, 0.73105858],
    [-1, -0.26894142],
    [-20, -4.1223072e-8],
  ],
  tanh: [[0.5, 0.46211716]],
}

for (const [name, pairs] of Object.entries(VALUES)) {
  test(`${name} has known values`, () => {
    for (const [x, value] of pairs) {
      const actual = activations[name as keyof typeof activations](x)
      assert.ok(Math.abs(actual - value) <= 2e-6 * Math.max(1e-3, Math.abs(value)), `${name}(${x}) = ${actual}`)
    }
  })
}
