import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { logProbabilities } from '../../src/backend/reference/sampling/log-probabilities.js'
import { BeamSearch, type BeamSearchOptions } from '../../src/engine/beam-search.js'
import { type LanguageModel, type NaiveHypothesis, scorerBeamSearch, tensorBeamSearch } from './naive-beam-search.js'
import { bestOf, runBeamSearch } from './run-beam-search.js'

const OPTIONS: BeamSearchOptions = {
  numBeams: 3,
  numBeamGroups: 1,
  diversityPenalty: 0,
  lengthPenalty: 1,
  earlyStopping: false,
  eosIds: [0],
  maxTokens: 6,
  numReturn: 3,
}

/** A language model that looks at the last two tokens, given by its logits after each pair. */
function pairModel(logits: readonly (readonly number[])[], vocabulary: number): LanguageModel {
  const rows = logits.map((row) => logProbabilities(Float32Array.from(row)))
  return (output) => rows[((output.at(-2) ?? 0) * vocabulary + (output.at(-1) ?? 0)) % rows.length]!
}

/** Random models, most of them fond of ending. */
const models = fc
  .record({
    vocabulary: fc.integer({ min: 8, max: 12 }),
    fondness: fc.constantFrom(0, 2, 4),
    seed: fc.noShrink(fc.nat()),
  })
  .map(({ vocabulary, fondness, seed }) => {
    let state = seed
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    }
    const row = () => Array.from({ length: vocabulary }, (_, id) => 6 * random() + (id < 3 ? fondness : 0))
    return pairModel(Array.from({ length: vocabulary ** 2 - 1 }, row), vocabulary)
  })

const settings = fc.record({
  lengthPenalty: fc.constantFrom(-1, 0, 0.6, 1, 2),
  earlyStopping: fc.constantFrom(false, true, 'never' as const),
  eosIds: fc.constantFrom([0], [0, 1], [2, 0, 1], []),
  maxTokens: fc.integer({ min: 1, max: 9 }),
})

function assertSame(actual: readonly NaiveHypothesis[], expected: readonly NaiveHypothesis[]): void {
  assert.deepEqual(
    actual.map(({ ids }) => ids),
    expected.map(({ ids }) => ids),
  )
  for (const [i, { score }] of actual.entries()) assert.ok(Math.abs(score - expected[i]!.score) < 1e-4)
}

test('beam search finds what the tensor formulation of transformers finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      models,
      settings,
      fc.integer({ min: 2, max: 4 }),
      fc.nat(3),
      async (model, given, numBeams, fewer) => {
        const options = { ...OPTIONS, ...given, numBeams, numReturn: Math.max(1, numBeams - fewer) }
        const { hypotheses } = await runBeamSearch(options, bestOf(model))
        assertSame(hypotheses, tensorBeamSearch(model, options))
      },
    ),
    { numRuns: 300 },
  )
})

test('diverse beam search finds what the scorer of transformers finds', async () => {
  const shapes = fc.constantFrom([2, 2], [4, 2], [4, 4], [6, 2], [6, 3])
  const penalties = fc.constantFrom(0.3, 1, 5)
  await fc.assert(
    fc.asyncProperty(
      models,
      settings,
      shapes,
      penalties,
      async (model, given, [numBeams, numBeamGroups], diversityPenalty) => {
        const shape = { numBeams: numBeams!, numBeamGroups: numBeamGroups!, numReturn: numBeams! }
        const options = { ...OPTIONS, ...given, ...shape, diversityPenalty }
        const { hypotheses } = await runBeamSearch(options, bestOf(model))
        assertSame(hypotheses, scorerBeamSearch(model, options))
      },
    ),
    { numRuns: 300 },
  )
})

/** Log-probabilities after each output, by its ids joined by spaces; what is not listed has none. */
function treeModel(tree: Record<string, readonly number[]>): LanguageModel {
  return (output) => Float32Array.from(tree[output.join(' ')]!)
}

test('an end token outside of the best numBeams places ends nothing', async () => {
  const model = treeModel({ '': [-9, -1, -2, -3], '1': [-9, -1, -1.5, -2], '2': [-9, -1.2, -8, -9] })
  const { hypotheses } = await runBeamSearch({ ...OPTIONS, numBeams: 2, maxTokens: 2 }, bestOf(model))
  assert.deepEqual(
    hypotheses.map(({ ids, finished }) => [ids, finished]),
    [
      [[1, 1], false],
      [[1, 2], false],
    ],
  )
})

test('hypotheses that ended say so, and their scores count the end token', async () => {
  const model = treeModel({ '': [-1, -0.5, -9], '1': [-0.25, -3, -9], '2': [-9, -9, -9] })
  const options = { ...OPTIONS, numBeams: 2, numReturn: 2, lengthPenalty: 2, maxTokens: 5, earlyStopping: true }
  const { hypotheses, steps } = await runBeamSearch(options, bestOf(model))
  assert.deepEqual(hypotheses, [
    { ids: [1, 0], score: Math.fround(-0.75 / 4), finished: true },
    { ids: [0], score: -1, finished: true },
  ])
  assert.equal(steps, 2)
})

test('early stopping decides how long a full list of hypotheses may be bettered', async () => {
  // Ending is cheap at once and ever cheaper later: patience is rewarded by a positive length penalty.
  const model: LanguageModel = (output) => Float32Array.from(output.length < 2 ? [-1.1, -1, -1.2] : [-0.3, -0.2, -9])
  const run = (earlyStopping: boolean | 'never') =>
    runBeamSearch({ ...OPTIONS, numBeams: 2, numReturn: 1, maxTokens: 12, earlyStopping }, bestOf(model))
  const [eager, heuristic, canonical] = [await run(true), await run(false), await run('never')]
  assert.ok(eager.steps < heuristic.steps && heuristic.steps <= canonical.steps)
  assert.ok(eager.hypotheses[0]!.score < canonical.hypotheses[0]!.score)
})

test('patience does not expect a negative length penalty to reward length', async () => {
  // Two poor hypotheses end first; the running beam beats them as it stands, and would not at the full length.
  const model = treeModel({
    '': [-3, -0.1, -5],
    '1': [-4, -0.05, -9],
    '2': [-9, -9, -9],
    '1 1': [-0.01, -9, -9],
    '1 2': [-9, -9, -9],
  })
  const options = { ...OPTIONS, numBeams: 2, numReturn: 1, maxTokens: 100, lengthPenalty: -1 }
  const { hypotheses } = await runBeamSearch({ ...options, earlyStopping: 'never' }, bestOf(model))
  assert.deepEqual(hypotheses[0]!.ids, [1, 1, 0])
})

test('a diversity penalty sends groups different ways, and is paid in the score', async () => {
  const model: LanguageModel = () => Float32Array.from([-9, -0.5, -1, -2])
  const options = { ...OPTIONS, numBeams: 2, numBeamGroups: 2, numReturn: 2, maxTokens: 2, lengthPenalty: 0 }
  const results = await Promise.all(
    [0.25, 0.75].map((diversityPenalty) => runBeamSearch({ ...options, diversityPenalty }, bestOf(model))),
  )
  assert.deepEqual(
    results.map(({ hypotheses }) => hypotheses.map(({ ids, score }) => [ids, score])),
    [
      [
        [[1, 1], -1],
        [[1, 1], -1.5],
      ],
      [
        [[1, 1], -1],
        [[2, 2], -2],
      ],
    ],
  )
})

test('impossible continuations are not taken: there may be fewer beams', () => {
  const none = -Infinity
  const model = treeModel({ '': [none, -1, none], '1': [-1, -2, none], '1 1': [-1, none, none] })
  const search = new BeamSearch({ ...OPTIONS, numBeams: 3 })
  assert.equal(search.candidatesNeeded, 4)
  const row = bestOf(model)
  assert.deepEqual(search.step([row([], 4)]).tokens, Int32Array.of(1))
  assert.equal(search.width, 1)
  assert.deepEqual(search.step([row([1], 4)]).tokens, Int32Array.of(1))
  assert.equal(search.step([row([1, 1], 4)]).done, true)
  assert.equal(search.width, 0)
  assert.deepEqual(
    search.finish().map(({ ids, score }) => [ids, score]),
    [
      [[1, 0], -1],
      [[1, 1, 0], Math.fround(-4 / 3)],
    ],
  )
})

test('beams that cannot go on at all are returned as they stand', async () => {
  const model = treeModel({ '': [-Infinity, -1, -2], '1': [], '2': [] })
  const { hypotheses } = await runBeamSearch({ ...OPTIONS, numBeams: 2, numReturn: 2 }, bestOf(model))
  assert.deepEqual(hypotheses, [
    { ids: [1], score: -1, finished: false },
    { ids: [2], score: -2, finished: false },
  ])
})

test('parents say which beam each token follows', () => {
  const row = (...logprobs: number[]) => bestOf(() => Float32Array.from(logprobs))([], 4)
  const search = new BeamSearch({ ...OPTIONS, eosIds: [], numBeams: 2, maxTokens: 9 })
  assert.deepEqual(search.step([row(-1, -2, -3)]), {
    parents: Int32Array.of(0, 0),
    tokens: Int32Array.of(0, 1),
    done: false,
  })
  assert.deepEqual(search.step([row(-7, -8, -9), row(-9, -1, -2)]), {
    parents: Int32Array.of(1, 1),
    tokens: Int32Array.of(1, 2),
    done: false,
  })
  assert.throws(() => search.step([row(-1)]), /wants 2 rows and got 1/)
})

test('continuations that a diversity penalty makes equal go by id', () => {
  const options = { ...OPTIONS, eosIds: [], numBeams: 2, numBeamGroups: 2, diversityPenalty: 0.5 }
  const search = new BeamSearch(options)
  const row = bestOf(() => Float32Array.of(-9, -1, -0.5))([], search.candidatesNeeded)
  assert.deepEqual(search.step([row]).tokens, Int32Array.of(2, 1))
})

test('candidates that are impossible after all are left out', () => {
  const search = new BeamSearch({ ...OPTIONS, eosIds: [], numBeams: 2 })
  const row = { candidateIds: Int32Array.of(3, 1), candidateLogprobs: Float32Array.of(-1, -Infinity) }
  assert.deepEqual(search.step([row]).tokens, Int32Array.of(3))
})

test('of equal continuations the lower beam and then the lower id goes first', () => {
  const search = new BeamSearch({ ...OPTIONS, eosIds: [], numBeams: 3, maxTokens: 9 })
  const row = bestOf(() => new Float32Array(5))([], 3)
  assert.deepEqual(search.step([row]).tokens, Int32Array.of(0, 1, 2))
  const { parents, tokens } = search.step([row, row, row])
  assert.deepEqual([parents, tokens], [Int32Array.of(0, 0, 0), Int32Array.of(0, 1, 2)])
})
