import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import type { CpuOptions } from '../../../src/backend/cpu/executor.js'
import type { Executor } from '../../../src/backend/executor.js'
import { sample } from '../../../src/backend/reference/sample.js'
import { distribution } from '../../../src/backend/reference/sampling/distribution.js'
import { rankOf } from '../../../src/backend/reference/sampling/log-probabilities.js'
import { uniform } from '../../../src/backend/reference/sampling/philox.js'
import { ProgramBuilder } from '../../../src/program/program.js'
import type { SampledRow, SamplingRow } from '../../../src/program/step.js'
import { tensor } from '../../../src/program/weight-source.js'
import { checkpointReader } from '../../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../../support/memory-checkpoint.js'
import { Random } from '../../support/random.js'
import { GREEDY_ROW, stepInputs } from '../../support/steps.js'
import { atEveryLevel, skip } from './support/levels.js'

const VOCABULARY = 1000
const MOST_ROWS = 6

/** Rows of logits go straight to the `sample` operation: they enter as an embedding table, a row a token. */
async function sampler(vocabulary: number): Promise<Executor> {
  const checkpoint = new MemoryCheckpoint()
  const b = new ProgramBuilder('sampling')
  const input = (name: string, dtype: 'i32' | 'record' | 'f32', ...shape: ('tokens' | 'rows' | number)[]) =>
    b.buffer({ name, kind: 'input', dtype, shape })
  input('ids', 'i32', 'tokens')
  input('rows', 'i32', 'rows')
  input('sampling', 'record', 'rows')
  input('soft-rows', 'f32', 'tokens', vocabulary)
  checkpoint.add('table', [1, vocabulary], new Float32Array(vocabulary))
  b.buffer({
    name: 'table',
    kind: 'weight',
    dtype: 'f32',
    shape: [1, vocabulary],
    source: tensor('table', [1, vocabulary]),
  })
  b.buffer({ name: 'x', kind: 'activation', dtype: 'f32', shape: ['tokens', vocabulary] })
  b.buffer({ name: 'logits', kind: 'activation', dtype: 'f32', shape: ['rows', vocabulary] })
  b.buffer({ name: 'sampled', kind: 'output', dtype: 'record', shape: ['rows'] })
  b.add({ kind: 'embed', ids: 'ids', table: 'table', rows: 'soft-rows', out: 'x' })
  b.add({ kind: 'gather-rows', x: 'x', rows: 'rows', out: 'logits' })
  b.add({ kind: 'sample', logits: 'logits', sampling: 'sampling', out: 'sampled' })
  const options: CpuOptions = {
    program: b.finish({ hidden: 'x', logits: 'logits' }),
    weights: checkpointReader(checkpoint),
    ...{ blocks: 1, blockSize: 16, maxTokens: 16, maxRows: 16, threads: 2, poison: true },
  }
  return cpuBackend.createExecutor(options)
}

async function sampleOn(
  executor: Executor,
  logits: readonly Float32Array[],
  rows: readonly SamplingRow[],
): Promise<readonly SampledRow[]> {
  const width = logits[0]!.length
  const softRows = new Float32Array(logits.length * width)
  for (const [i, row] of logits.entries()) softRows.set(row, i * width)
  const inputs = stepInputs([{ ids: logits.map(() => -1), cached: 0, blocks: [0] }], {
    ...{ blockSize: 16, rows: 'all', softRows, sampling: (r: number) => rows[r]!, want: 'hidden' },
  })
  return (await executor.step(inputs)).sampled
}

/** How far sums of float32 exponentials may be from sums of doubles. */
const NEAR = 2e-5

/** Everything but a draw at random must be the reference's; a drawn token must be one whose share of [0, 1) holds `u`. */
function compare(actual: SampledRow, logits: Float32Array, row: SamplingRow): void {
  const expected = sample(logits, logits.length, [row])[0]!
  assert.equal(actual.failure, expected.failure)
  if (actual.token !== expected.token) checkDraw(actual.token, logits, row)
  assert.deepEqual(actual.topIds, expected.topIds)
  checkCandidates(actual.candidateIds, expected.candidateIds, logits)
  near(actual.topLogprobs, expected.topLogprobs)
  near(actual.candidateLogprobs, expected.candidateLogprobs)
  assert.deepEqual(
    actual.candidateRanks,
    expected.candidateRanks && actual.candidateIds.map((id) => rankOf(logits, id)),
  )
  near(actual.candidateRawLogprobs ?? [], expected.candidateRawLogprobs ?? [])
  if (actual.token !== expected.token) return
  assert.equal(actual.rank, expected.rank)
  near([actual.logprob], [expected.logprob])
}

/** Log-probabilities within a rounding of each other may come in either order. */
function checkCandidates(actual: Int32Array, expected: Int32Array, logits: Float32Array): void {
  assert.equal(actual.length, expected.length)
  assert.equal(new Set(actual).size, actual.length)
  actual.forEach((id, i) => {
    if (id !== expected[i]) near([logits[id]!], [logits[expected[i]!]!])
  })
}

function checkDraw(token: number, logits: Float32Array, row: SamplingRow): void {
  assert.ok(row.mode === 'draw' && row.temperature > 0, `token ${token}`)
  const probabilities = distribution(logits, row)
  const u = uniform(row.seedLow, row.seedHigh, row.position, row.sampleIndex)
  const below = probabilities.subarray(0, token).reduce((sum, p) => sum + p, 0)
  const share = probabilities[token]!
  assert.ok(share > 0, `token ${token} was filtered out`)
  assert.ok(below - NEAR <= u && u <= below + share + NEAR, `${u} lies in ${below}..${below + share}`)
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    const same =
      Object.is(actual[i], expected[i]) || Math.abs(actual[i]! - expected[i]!) <= 1e-5 * (1 + Math.abs(expected[i]!))
    assert.ok(same, `${actual[i]} for ${expected[i]}`)
  }
}

/** Few different values, so that ties are everywhere; or many. Some removed, now and then one that is no number. */
const sketches = fc.record({
  seed: fc.nat(),
  steps: fc.constantFrom(3, 40, 1e6),
  scale: fc.constantFrom(0.01, 1, 8, 60),
  removed: fc.constantFrom(0, 0, 0.3, 0.999, 1),
  odd: fc.option(fc.constantFrom(Number.NaN, Infinity), { freq: 12, nil: undefined }),
})

type Sketch = typeof sketches extends fc.Arbitrary<infer T> ? T : never

function logitsOf({ seed, steps, scale, removed, odd }: Sketch): Float32Array {
  const random = new Random(seed)
  const logits = Float32Array.from({ length: VOCABULARY }, () => {
    return random.next() < removed ? -Infinity : (random.below(steps) / steps - 0.5) * scale
  })
  if (odd !== undefined) logits[random.below(VOCABULARY)] = odd
  return logits
}

/** Whole words of nothing and of everything among others; bits beyond the vocabulary mean nothing. */
function maskOf(vocabulary: number, seed: number, share: number): Uint32Array {
  const random = new Random(seed)
  const mask = new Uint32Array(Math.ceil(vocabulary / 32))
  for (let word = 0; word < mask.length; word++) {
    const all = random.next() < share / 2
    for (let bit = 0; bit < 32; bit++) if (all || random.next() < share) mask[word]! |= 1 << bit
  }
  return mask
}

const samplingRows: fc.Arbitrary<SamplingRow> = fc
  .record({
    mode: fc.constantFrom('draw', 'draw', 'draw', 'beam', 'score'),
    temperature: fc.constantFrom(0, 0.05, 0.7, 1, 3, 1e-40),
    topK: fc.constantFrom(0, 0, 1, 5, 40, 700, 5000),
    topP: fc.constantFrom(1, 1, 1e-6, 0.3, 0.95, 1 - 1e-12),
    minP: fc.constantFrom(0, 0, 0.05, 0.9, 1),
    seedLow: fc.nat(),
    position: fc.nat(),
    candidates: fc.constantFrom(1, 4, 31, 1000),
    topLogprobs: fc.constantFrom(0, 0, 1, 20, 1500),
    logprobs: fc.boolean(),
    target: fc.nat(VOCABULARY - 1),
    edited: fc.boolean(),
    masked: fc.option(fc.tuple(fc.nat(), fc.constantFrom(0, 0.001, 0.05, 0.5, 0.97)), { nil: undefined }),
  })
  .map(({ edited, masked, ...row }) => ({
    ...GREEDY_ROW,
    ...row,
    ...(masked && { allowed: maskOf(VOCABULARY, ...masked) }),
    ...(edited && {
      repetitionPenalty: 1.3,
      presencePenalty: 0.2,
      history: Int32Array.of(3, 5, 8, 3),
      promptLength: 1,
      banned: Int32Array.of(1, 2),
    }),
  }))

atEveryLevel('the kernel samples as the reference does', () => {
  let executor: Executor
  before(async () => {
    executor = await sampler(VOCABULARY)
  })
  after(() => executor.close())

  test('any rows of any logits, side by side', async () => {
    const batches = fc.array(fc.tuple(sketches, samplingRows), { minLength: 1, maxLength: MOST_ROWS })
    const check = fc.asyncProperty(batches, async (batch) => {
      const logits = batch.map(([sketch]) => logitsOf(sketch))
      const rows = batch.map(([, row]) => row)
      const sampled = await sampleOn(executor, logits, rows)
      rows.forEach((row, i) => {
        compare(sampled[i]!, logits[i]!, row)
      })
    })
    await fc.assert(check, { numRuns: 150 })
  })
})

test('a row is sampled alike alone and beside others, native ones and edited ones', { skip }, async () => {
  const executor = await sampler(VOCABULARY)
  const check = fc.asyncProperty(
    fc.array(fc.tuple(sketches, samplingRows), { minLength: 2, maxLength: MOST_ROWS }),
    async (batch) => {
      const logits = batch.map(([sketch]) => logitsOf(sketch))
      const rows = batch.map(([, row]) => row)
      const together = await sampleOn(executor, logits, rows)
      for (const [i, row] of rows.entries()) {
        assert.deepEqual((await sampleOn(executor, [logits[i]!], [row]))[0], together[i])
      }
    },
  )
  await fc.assert(check, { numRuns: 30 })
  await executor.close()
})

for (const vocabulary of [1, 63, 64, 65, 50257]) {
  test(`a vocabulary of ${vocabulary}`, { skip }, async () => {
    const executor = await sampler(vocabulary)
    const random = new Random(vocabulary)
    const logits = Array.from({ length: 6 }, () => random.floats(vocabulary, 6))
    const rows = [
      { ...GREEDY_ROW, logprobs: true, topLogprobs: 5 },
      { ...GREEDY_ROW, temperature: 1, topK: 50, topP: 0.9, seedLow: 5 },
      { ...GREEDY_ROW, temperature: 2, topP: 0.99, seedLow: 6 },
      { ...GREEDY_ROW, temperature: 1, seedLow: 7 },
      { ...GREEDY_ROW, logprobs: true, allowed: maskOf(vocabulary, 8, 0.01) },
      { ...GREEDY_ROW, temperature: 2, topP: 0.99, allowed: maskOf(vocabulary, 9, 0.5) },
    ]
    const sampled = await sampleOn(executor, logits, rows)
    rows.forEach((row, i) => {
      compare(sampled[i]!, logits[i]!, row)
    })
    await executor.close()
  })
}

test('draws follow the distribution: each token as often as its probability says', { skip }, async () => {
  const executor = await sampler(8)
  const logits = Float32Array.of(0, 1, 2, -1, 0.5, -Infinity, 1.5, -3)
  const row = { ...GREEDY_ROW, temperature: 1.5 }
  const probabilities = distribution(logits, row)
  const counts = new Float64Array(8)
  const [steps, rowsPerStep] = [300, 16]
  for (let step = 0; step < steps; step++) {
    const rows = Array.from({ length: rowsPerStep }, (_, i) => ({ ...row, seedLow: 9, position: step, sampleIndex: i }))
    for (const { token } of await sampleOn(
      executor,
      rows.map(() => logits),
      rows,
    ))
      counts[token]!++
  }
  const draws = steps * rowsPerStep
  counts.forEach((count, token) => {
    const expected = draws * probabilities[token]!
    assert.ok(Math.abs(count - expected) <= 5 * Math.sqrt(expected + 1), `token ${token}: ${count} of ${expected}`)
  })
  await executor.close()
})
