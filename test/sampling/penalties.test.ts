import assert from 'node:assert/strict'
import { test } from 'node:test'
import { processLogits } from '../../src/backend/reference/sampling/distribution.js'
import { drawRow } from './plain-row.js'

const history = Int32Array.of(0, 1, 1, 2, 1)

function processed(logits: readonly number[], given: Parameters<typeof drawRow>[0]): number[] {
  return [...processLogits(Float32Array.from(logits), drawRow({ history, promptLength: 3, ...given }))]
}

test('the repetition penalty counts prompt and output, once a token, and always lowers', () => {
  assert.deepEqual(processed([2, -2, 4, 4], { repetitionPenalty: 2 }), [1, -4, 2, 4])
})

test('presence and frequency penalty count the output only', () => {
  assert.deepEqual(processed([1, 1, 1, 1], { presencePenalty: 0.5 }), [1, 0.5, 0.5, 1])
  assert.deepEqual(processed([1, 1, 1, 1], { frequencyPenalty: 0.5 }), [1, 0.5, 0.5, 1])
  const twice = { history: Int32Array.of(3, 1, 1), promptLength: 1, presencePenalty: 0.5, frequencyPenalty: 0.25 }
  assert.deepEqual(processed([1, 1, 1, 1], twice), [1, 0, 1, 1])
})

test('repetition, then presence and frequency, then bias, then bans', () => {
  const given = {
    repetitionPenalty: 2,
    presencePenalty: 1,
    frequencyPenalty: 0.5,
    biasIds: Int32Array.of(1, 2, 3),
    biasValues: Float32Array.of(10, 20, 100),
    banned: Int32Array.of(3),
  }
  assert.deepEqual(processed([8, 8, 8, 8], given), [4, 8 / 2 - 1 - 0.5 + 10, 8 / 2 - 1 - 0.5 + 20, -Infinity])
})

test('soft prompt rows in the history are no tokens', () => {
  const soft = { history: Int32Array.of(-1, -1, 0, -1), promptLength: 0 }
  assert.deepEqual(processed([2, 2], { ...soft, repetitionPenalty: 2, presencePenalty: 0.5 }), [0.5, 2])
  assert.deepEqual(processed([2, 2], { ...soft, noRepeatNgram: 2 }), [2, 2])
})

test('a bad word is banned where its beginning ends the history, from the first token on', () => {
  const banned = (tokens: readonly number[], word: number[]) =>
    processed([0, 0, 0, 0], { history: Int32Array.from(tokens), badWords: [word] }).indexOf(-Infinity)
  assert.equal(banned([], [2]), 2)
  assert.equal(banned([3], [2]), 2)
  assert.equal(banned([0, 1], [0, 1, 3]), 3)
  assert.equal(banned([2, 0, 1], [0, 1, 3]), 3)
  assert.equal(banned([0, 1, 2], [0, 1, 3]), -1)
  assert.equal(banned([1], [0, 1, 3]), -1)
})

test('no n-gram of prompt and output can be repeated', () => {
  const ids = (noRepeatNgram: number, ...tokens: number[]) =>
    processed([0, 0, 0, 0], { history: Int32Array.from(tokens), noRepeatNgram }).flatMap((v, id) => (v < 0 ? [id] : []))
  assert.deepEqual(ids(1, 0, 2, 2), [0, 2])
  assert.deepEqual(ids(2, 0, 1, 0, 2, 0), [1, 2])
  assert.deepEqual(ids(3, 0, 1, 2, 0, 1), [2])
  assert.deepEqual(ids(3, 0, 1), [])
  assert.deepEqual(ids(4, 0, 1), [])
})

test('penalties and biases never make a logit infinite', () => {
  const overflowing: Parameters<typeof drawRow>[0][] = [
    { repetitionPenalty: 0.1 },
    { history: Int32Array.of(0), promptLength: 0, presencePenalty: -3e38 },
    { biasIds: Int32Array.of(0), biasValues: Float32Array.of(3e38) },
  ]
  for (const given of overflowing) assert.ok(Number.isFinite(processed([3e38, 1, 1, 1], given)[0]))
})

test('the raw logits stay as they are', () => {
  const logits = Float32Array.of(1, 2, 3)
  processLogits(logits, drawRow({ history, promptLength: 0, repetitionPenalty: 2, banned: Int32Array.of(2) }))
  assert.deepEqual([...logits], [1, 2, 3])
})
