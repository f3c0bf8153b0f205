import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_SAMPLING } from '../../src/engine/sampling-parameters.js'
import { type SamplingInput, validateSampling } from '../../src/engine/validate-parameters.js'
import { isWarplineError } from '../../src/errors.js'

const limits = { vocabulary: 100, maxSequences: 16 }

function messageFor(input: SamplingInput): string {
  try {
    validateSampling(input, limits)
  } catch (error) {
    assert.ok(isWarplineError(error) && error.code === 'parameter-invalid', String(error))
    return error.message
  }
  return 'accepted'
}

const wrong: Record<string, readonly unknown[]> = {
  maxTokens: [0, -1, 1.5, Number.NaN, Infinity, '5', null],
  minTokens: [-1, 0.5, 17],
  temperature: [-0.1, Number.NaN, Infinity, '1'],
  topK: [-1, 2.5],
  topP: [-0.1, 1.1, Number.NaN],
  topPDecay: [0, 1.5],
  topPMin: [-1, 2],
  topPResetIds: [[100], 5],
  minP: [-0.1, 1.1],
  repetitionPenalty: [0, -1, Infinity],
  presencePenalty: [-2.1, 2.1],
  frequencyPenalty: [-2.1, 2.1],
  noRepeatNgramSize: [-1, 1.5],
  logitBias: [new Map([[100, 1]]), new Map([[1, Infinity]]), { 1: 2 }],
  badWordsIds: [[[]], [[100]], [5], 5],
  suppressIds: [[-1], [1.5]],
  stopIds: [[100], ['</s>']],
  seed: [-1, 2n ** 64n, 1.5, -1n, 2 ** 53, Number.NaN, '1'],
  n: [0, 17, 1.5],
  numBeams: [0, 17],
  numReturn: [0, 2],
  lengthPenalty: [Number.NaN, Infinity],
  earlyStopping: ['always', 1],
  numBeamGroups: [0, 2],
  diversityPenalty: [-1, 1],
  logprobs: [-2, 101],
  promptLogprobs: [-2, 0.5],
  hiddenStates: ['yes'],
}

test('every parameter is checked', () => {
  assert.deepEqual(Object.keys(wrong).sort(), Object.keys(DEFAULT_SAMPLING).sort())
})

for (const [name, values] of Object.entries(wrong)) {
  test(`${name} out of its range is refused by name`, () => {
    for (const value of values) {
      const message = messageFor({ [name]: value })
      assert.ok(message.startsWith(`${name} is `) && message.includes('; it must be '), `${String(value)}: ${message}`)
    }
  })
}

test('a message says what was given and what is allowed', () => {
  assert.equal(messageFor({ topP: 1.5 }), 'topP is 1.5; it must be a number, at least 0 and at most 1')
  assert.equal(messageFor({ maxTokens: 0 }), 'maxTokens is 0; it must be a whole number, at least 1')
  assert.equal(messageFor({ stopIds: [3, 100] }), 'stopIds is 100; it must be token ids of this model, from 0 to 99')
})

test('parameters that contradict each other are refused', () => {
  const contradictions: [SamplingInput, RegExp][] = [
    [{ minTokens: 9, maxTokens: 8 }, /^minTokens is 9.* maxTokens, which is 8/],
    [{ numBeams: 4, temperature: 0.5 }, /^temperature is 0.5.* beam search does not draw/],
    [{ numBeams: 4, n: 2 }, /^n is 2.* numReturn/],
    [{ numBeams: 4, numReturn: 5 }, /^numReturn is 5.* at most numBeams/],
    [{ numReturn: 2 }, /^numReturn is 2.* use n/],
    [{ numBeams: 4, numBeamGroups: 3, diversityPenalty: 1 }, /^numBeamGroups is 3.* divisor/],
    [{ numBeams: 4, numBeamGroups: 2 }, /^diversityPenalty is 0/],
    [{ numBeams: 4, diversityPenalty: 1 }, /^diversityPenalty is 1.* numBeamGroups/],
  ]
  for (const [input, expected] of contradictions) assert.match(messageFor(input), expected)
})

test('what is missing or undefined has its default', () => {
  assert.deepEqual(validateSampling({}, limits), DEFAULT_SAMPLING)
  assert.deepEqual(validateSampling({ topP: undefined, topK: 3 }, limits), { ...DEFAULT_SAMPLING, topK: 3 })
})

test('the ends of the ranges are allowed', () => {
  const input = {
    maxTokens: 1,
    minTokens: 1,
    topK: 1000,
    topP: 0,
    minP: 1,
    n: 16,
    stopIds: [0, 99],
    seed: 2n ** 64n - 1n,
    logprobs: 100,
    presencePenalty: -2,
    frequencyPenalty: 2,
  }
  assert.deepEqual(validateSampling(input, limits), { ...DEFAULT_SAMPLING, ...input })
})

test('a seed given as a number becomes a bigint', () => {
  assert.equal(validateSampling({ seed: 42 }, limits).seed, 42n)
})
