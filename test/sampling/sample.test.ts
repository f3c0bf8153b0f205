import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sample } from '../../src/backend/reference/sample.js'
import { scoreRow } from '../../src/engine/sampling-row.js'
import type { SampledRow, SamplingRow } from '../../src/program/step.js'
import { drawRow, logitsOf } from './plain-row.js'

const greedyRow = (given: Partial<SamplingRow> = {}) => drawRow({ temperature: 0, ...given })
const one = (logits: Float32Array, row: SamplingRow): SampledRow => sample(logits, logits.length, [row])[0]!

function assertClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  assert.equal(actual.length, expected.length)
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(actual[i]! - value) < 1e-6, `${actual[i]} !~ ${value}`)
}

test('greedy takes the largest logit, the lowest id on a tie', () => {
  assert.equal(one(Float32Array.of(1, 3, 2, 3), greedyRow()).token, 1)
  assert.equal(one(Float32Array.of(-5, -Infinity), greedyRow()).token, 0)
})

test('greedy heeds penalties, biases and bans, and no filter changes it', () => {
  const logits = Float32Array.of(4, 3, 2)
  assert.equal(one(logits, greedyRow({ history: Int32Array.of(0), repetitionPenalty: 2 })).token, 1)
  assert.equal(one(logits, greedyRow({ biasIds: Int32Array.of(2), biasValues: Float32Array.of(3) })).token, 2)
  assert.equal(one(logits, greedyRow({ banned: Int32Array.of(0, 1), topK: 1, topP: 0.1, minP: 1 })).token, 2)
})

test('a vocabulary of one token always gives that token', () => {
  const logits = Float32Array.of(-3)
  for (const temperature of [0, 1]) {
    const row = drawRow({ temperature, topK: 5, topP: 0.1, minP: 1, logprobs: true, topLogprobs: 3 })
    const { token, logprob, rank, topIds } = one(logits, row)
    assert.deepEqual([token, logprob, rank, ...topIds], [0, 0, 1, 0])
  }
})

test('log-probabilities and ranks are those of the raw logits', () => {
  const logits = logitsOf([0.5, 0.125, 0.25, 0.125])
  const row = greedyRow({ banned: Int32Array.of(0, 2), logprobs: true, topLogprobs: 3 })
  const { token, logprob, rank, topIds, topLogprobs } = one(logits, row)
  assert.deepEqual([token, rank], [1, 3])
  assertClose([logprob], [Math.log(0.125)])
  assert.deepEqual([...topIds], [0, 2, 1])
  assertClose(topLogprobs, [Math.log(0.5), Math.log(0.25), Math.log(0.125)])
  assert.equal(logprob, topLogprobs[2])
})

test('what was not asked for is absent', () => {
  const { logprob, rank, topIds, topLogprobs, candidateIds, failure } = one(Float32Array.of(1, 2), greedyRow())
  assert.ok(Number.isNaN(logprob))
  assert.equal(rank, 0)
  assert.equal(topIds.length + topLogprobs.length + candidateIds.length, 0)
  assert.equal(failure, undefined)
})

test('ranks count from 1 and order equal logits by id', () => {
  const logits = Float32Array.of(1, 2, 1, 3)
  const ranks = [0, 1, 2, 3].map((target) => one(logits, scoreRow(target, 0)).rank)
  assert.deepEqual(ranks, [3, 2, 4, 1])
})

test('a score row reports its target and chooses nothing', () => {
  const { token, logprob, topIds } = one(logitsOf([0.75, 0.25]), scoreRow(1, 1))
  assert.equal(token, -1)
  assertClose([logprob], [Math.log(0.25)])
  assert.deepEqual([...topIds], [0])
})

test('a beam row gives the best tokens by log-softmax followed by the processors, without normalising again', () => {
  const logits = Float32Array.from(logitsOf([0.5, 0.125, 0.25, 0.125]), (logit) => logit + 7)
  const given = { history: Int32Array.of(0), repetitionPenalty: 3, banned: Int32Array.of(1), candidates: 4 }
  const { token, candidateIds, candidateLogprobs } = one(logits, greedyRow({ mode: 'beam', ...given }))
  assert.equal(token, -1)
  assert.deepEqual([...candidateIds], [2, 0, 3])
  assertClose(candidateLogprobs, [Math.log(0.25), 3 * Math.log(0.5), Math.log(0.125)])
})

test('a beam row reports raw log-probabilities and ranks of its candidates when asked', () => {
  const logits = logitsOf([0.5, 0.125, 0.25, 0.125])
  const row = greedyRow({ mode: 'beam', candidates: 2, banned: Int32Array.of(0), logprobs: true })
  const { candidateIds, candidateRawLogprobs, candidateRanks } = one(logits, row)
  assert.deepEqual([...candidateIds], [2, 1])
  assertClose(candidateRawLogprobs!, [Math.log(0.25), Math.log(0.125)])
  assert.deepEqual([...candidateRanks!], [2, 3])
})

test('equal candidates come in the order of their ids', () => {
  const { candidateIds } = one(new Float32Array(6), greedyRow({ mode: 'beam', candidates: 4 }))
  assert.deepEqual([...candidateIds], [0, 1, 2, 3])
})

test('where bans leave nothing the row fails instead of choosing', () => {
  const logits = Float32Array.of(1, 2)
  const banned = Int32Array.of(0, 1)
  for (const row of [
    greedyRow({ banned }),
    drawRow({ banned, topP: 0.5 }),
    greedyRow({ mode: 'beam', candidates: 2, banned }),
  ]) {
    const { token, failure, candidateIds } = one(logits, row)
    assert.deepEqual([token, failure, candidateIds.length], [-1, 'nothing-allowed', 0])
  }
})

test('logits that are not finite fail their own row only', () => {
  const rows = [
    greedyRow(),
    greedyRow(),
    drawRow(),
    greedyRow({ mode: 'beam', candidates: 1 }),
    scoreRow(0, 1),
    greedyRow(),
  ]
  const logits = Float32Array.of(1, 2, Number.NaN, 1, 2, Infinity, Number.NaN, 2, -Infinity, -Infinity, 2, 1)
  const failures = sample(logits, 2, rows).map(({ failure }) => failure)
  const failed = 'logits-not-finite'
  assert.deepEqual(failures, [undefined, failed, failed, failed, failed, undefined])
})

test('an impossible token is never drawn and leaves the others as they are', () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity, 0)
  for (let position = 0; position < 50; position++) {
    const row = drawRow({ position, logprobs: true })
    const { token, logprob } = one(logits, row)
    assert.ok(token === 1 || token === 3)
    assertClose([logprob], [Math.log(0.5)])
  }
})

test('a row does not depend on the rows beside it', () => {
  const vocabulary = 12
  const rowAndLogits = fc.tuple(
    fc.record({
      mode: fc.constantFrom('draw' as const, 'beam' as const, 'score' as const),
      temperature: fc.constantFrom(0, 0.5, 1),
      topK: fc.nat(12),
      topP: fc.double({ min: 0.1, max: 1, noNaN: true }),
      repetitionPenalty: fc.constantFrom(1, 1.5),
      history: fc.constant(Int32Array.of(1, 2, 3)),
      position: fc.nat(1000),
      candidates: fc.constant(4),
      logprobs: fc.boolean(),
      target: fc.nat(11),
    }),
    fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: vocabulary, maxLength: vocabulary }),
  )
  const sampleAll = (all: readonly (readonly [Partial<SamplingRow>, readonly number[]])[]) =>
    sample(
      Float32Array.from(all.flatMap(([, logits]) => logits)),
      vocabulary,
      all.map(([given]) => drawRow(given)),
    )
  fc.assert(
    fc.property(fc.array(rowAndLogits, { minLength: 1, maxLength: 6 }), (all) => {
      const together = sampleAll(all)
      assert.deepEqual(together.toReversed(), sampleAll(all.toReversed()))
      assert.deepEqual(together[0], sampleAll([all[0]!])[0])
    }),
  )
})
