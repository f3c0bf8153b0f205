import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BeamSearch } from '../../src/engine/beam-search.js'
import { DEFAULT_SAMPLING, type SamplingParameters } from '../../src/engine/sampling-parameters.js'
import { nextTopP, SamplingRows, type SequenceState } from '../../src/engine/sampling-row.js'

const state: SequenceState = {
  history: Int32Array.of(4, 5, 6, 7, 8),
  promptLength: 3,
  outputLength: 2,
  sampleIndex: 2,
  topP: 0.7,
}
const rowOf = (given: Partial<SamplingParameters>) => new SamplingRows({ ...DEFAULT_SAMPLING, ...given }).row(state)

test('the counter of the draw is the position of the token that is drawn and the sample index', () => {
  const row = rowOf({ seed: 0x1234_5678_9abc_def0n })
  assert.deepEqual([row.position, row.sampleIndex], [5, 2])
  assert.deepEqual([row.seedHigh, row.seedLow], [0x12345678, 0x9abcdef0])
})

test('end tokens are banned until there are minTokens output tokens, suppressed ones always', () => {
  assert.deepEqual([...rowOf({ minTokens: 3, stopIds: [9, 1], suppressIds: [2] }).banned], [2, 9, 1])
  assert.deepEqual([...rowOf({ minTokens: 2, stopIds: [9, 1], suppressIds: [2] }).banned], [2])
})

test('the history is handed over only where something reads it', () => {
  const without: Partial<SamplingParameters>[] = [{}, { temperature: 1, topK: 5 }, { badWordsIds: [[3]] }]
  for (const given of without) assert.equal(rowOf(given).history.length, 0)
  const reading: Partial<SamplingParameters>[] = [
    { repetitionPenalty: 1.1 },
    { presencePenalty: 0.1 },
    { frequencyPenalty: 0.1 },
    { noRepeatNgramSize: 2 },
    { badWordsIds: [[3], [1, 2]] },
  ]
  for (const given of reading) {
    assert.deepEqual([rowOf(given).history, rowOf(given).promptLength], [state.history, 3])
  }
})

test('an end token is no bad word', () => {
  assert.deepEqual(rowOf({ badWordsIds: [[2], [3], [4, 2]], stopIds: [2] }).badWords, [[3], [4, 2]])
})

test('biases arrive as pairs of id and value', () => {
  const { biasIds, biasValues } = rowOf({
    logitBias: new Map([
      [7, -1.5],
      [1, 100],
    ]),
  })
  assert.deepEqual(
    [[...biasIds], [...biasValues]],
    [
      [7, 1],
      [-1.5, 100],
    ],
  )
})

test('log-probabilities are asked for from 0 on', () => {
  const asked = [-1, 0, 4].map((logprobs) => rowOf({ logprobs }))
  assert.deepEqual(
    asked.map((row) => [row.logprobs, row.topLogprobs]),
    [
      [false, 0],
      [true, 0],
      [true, 4],
    ],
  )
})

test('a beam search asks for the candidates it needs', () => {
  const given = { numBeams: 4, numBeamGroups: 2, diversityPenalty: 1, stopIds: [2, 3, 3] }
  const row = rowOf(given)
  const search = new BeamSearch({ ...DEFAULT_SAMPLING, ...given, eosIds: given.stopIds })
  assert.deepEqual([row.mode, row.candidates], ['beam', search.candidatesNeeded])
  assert.equal(row.candidates, 6)
  assert.deepEqual([rowOf({}).mode, rowOf({}).candidates], ['draw', 0])
})

test('top-p is the state`s, decays with each token down to its minimum and is restored by a reset token', () => {
  assert.equal(rowOf({ topP: 0.9 }).topP, 0.7)
  const parameters = { ...DEFAULT_SAMPLING, topP: 0.8, topPDecay: 0.5, topPMin: 0.3, topPResetIds: [13, 14] }
  const course: number[] = []
  let topP = parameters.topP
  for (const token of [1, 2, 3, 14, 5, 13]) {
    topP = nextTopP(topP, token, parameters)
    course.push(topP)
  }
  assert.deepEqual(course, [0.4, 0.3, 0.3, 0.8, 0.4, 0.8])
})

test('without decay top-p stays', () => {
  assert.equal(nextTopP(0.8, 1, { ...DEFAULT_SAMPLING, topP: 0.8 }), 0.8)
})
