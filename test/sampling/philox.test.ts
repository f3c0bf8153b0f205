import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { philox4x32, uniform } from '../../src/backend/reference/sampling/philox.js'

type Words = [number, number, number, number]

interface Answer {
  readonly counter: Words
  readonly key: [number, number]
  readonly result: Words
}

const answers: { published: Answer[]; computed: Answer[] } = JSON.parse(
  readFileSync(new URL('../fixtures/philox.json', import.meta.url), 'utf8'),
)

test('Philox gives the published answers of Random123', () => {
  assert.equal(answers.published.length, 3)
  for (const { counter, key, result } of answers.published) assert.deepEqual(philox4x32(counter, key), result)
})

test('Philox gives the answers of an independent implementation', () => {
  assert.ok(answers.computed.length > 5)
  for (const { counter, key, result } of answers.computed) assert.deepEqual(philox4x32(counter, key), result)
})

test('the uniform number is the first word and the upper 21 bits of the second, as 53 bits', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff })
  fc.assert(
    fc.property(word, word, word, word, (seedLow, seedHigh, position, sampleIndex) => {
      const [w0, w1] = philox4x32([position, sampleIndex, 0, 0], [seedLow, seedHigh])
      const fraction = ((BigInt(w0) << 32n) | BigInt(w1)) >> 11n
      assert.equal(uniform(seedLow, seedHigh, position, sampleIndex), Number(fraction) / 2 ** 53)
    }),
  )
})

test('every part of seed and counter changes the uniform number', () => {
  const numbers = [
    uniform(1, 2, 3, 4),
    uniform(5, 2, 3, 4),
    uniform(1, 5, 3, 4),
    uniform(1, 2, 5, 4),
    uniform(1, 2, 3, 5),
  ]
  assert.equal(new Set(numbers).size, numbers.length)
})
