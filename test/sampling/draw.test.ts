import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sample } from '../../src/backend/reference/sample.js'
import { distribution } from '../../src/backend/reference/sampling/distribution.js'
import { drawToken } from '../../src/backend/reference/sampling/draw.js'
import type { SamplingRow } from '../../src/program/step.js'
import { drawRow, kept, logitsOf } from './plain-row.js'

const PROBABILITIES = [0.02, 0.4, 0.08, 0.001, 0.25, 0.049, 0.15, 0.05]

/** How often each token is drawn at `draws` positions. */
function frequencies(logits: Float32Array, draws: number, given: Partial<SamplingRow>): Float64Array {
  const counts = new Float64Array(logits.length)
  for (let position = 0; position < draws; position++) {
    const [row] = sample(logits, logits.length, [drawRow({ ...given, position })])
    counts[row!.token]!++
  }
  return counts.map((count) => count / draws)
}

/** Pearson's statistic: about as large as the number of tokens that can be drawn if the frequencies fit. */
function chiSquare(observed: Float64Array, expected: Float32Array, draws: number): number {
  let sum = 0
  for (const id of kept(expected)) sum += (draws * (observed[id]! - expected[id]!) ** 2) / expected[id]!
  return sum
}

const settings: Record<string, Partial<SamplingRow>> = {
  plain: {},
  'another seed': { seedLow: 0xdeadbeef, seedHigh: 7 },
  'another sample': { sampleIndex: 3 },
  'high temperature': { temperature: 2 },
  'top-k': { topK: 3 },
  'top-p': { topP: 0.8 },
  'min-p': { minP: 0.2 },
  'all together': { temperature: 0.8, topK: 6, topP: 0.95, minP: 0.1 },
}

for (const [name, given] of Object.entries(settings)) {
  test(`tokens are drawn as often as the distribution says: ${name}`, () => {
    const draws = 20_000
    const logits = logitsOf(PROBABILITIES)
    const expected = distribution(logits, drawRow(given))
    const observed = frequencies(logits, draws, given)
    for (const [id, frequency] of observed.entries()) if (expected[id] === 0) assert.equal(frequency, 0)
    // Above 24 with 7 degrees of freedom has probability 0.001; the seeds are fixed.
    assert.ok(chiSquare(observed, expected, draws) < 24)
  })
}

test('the draw is the first token, in order of ids, whose cumulative probability exceeds u', () => {
  const scores = Float32Array.of(-Infinity, Math.log(0.5), 0, -Infinity, Math.log(0.5), -Infinity)
  const drawn = (u: number) => drawToken(scores, u)
  assert.deepEqual([0, 0.2499, 0.2501, 0.7499, 0.7501, 1 - 2 ** -53].map(drawn), [1, 1, 2, 2, 4, 4])
})

test('a removed token is never drawn', () => {
  const scores = fc.array(fc.oneof(fc.constant(-Infinity), fc.float({ min: -5, max: 0, noNaN: true })), {
    maxLength: 20,
  })
  const u = fc.oneof(
    fc.constant(0),
    fc.constant(1 - 2 ** -53),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  )
  fc.assert(
    fc.property(scores, u, (list, number) => {
      const token = drawToken(Float32Array.of(...list, 0), number)
      assert.ok(token === list.length || list[token]! > -Infinity)
    }),
  )
})

test('the same seed, position and sample index draw the same token, and others differ', () => {
  const logits = new Float32Array(1000)
  const draw = (given: Partial<SamplingRow>) => sample(logits, 1000, [drawRow(given)])[0]!.token
  assert.equal(draw({ seedLow: 5, position: 9 }), draw({ seedLow: 5, position: 9 }))
  const tokens = [{}, { seedLow: 1 }, { seedHigh: 1 }, { position: 1 }, { sampleIndex: 1 }].map(draw)
  assert.equal(new Set(tokens).size, tokens.length)
})
