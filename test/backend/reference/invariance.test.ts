import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Executor } from '../../../src/backend/executor.js'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { Random } from '../../support/random.js'
import { FORMS, randomModel } from '../../support/random-model.js'
import { startReference } from '../../support/run-reference.js'
import { type SequencePart, stepInputs } from '../../support/steps.js'

const BLOCK_SIZE = 4
const BLOCKS = 40
const LENGTHS = [1, 6, 13, 22]
const VOCABULARY = 61

const random = new Random(3)
const TEXTS = LENGTHS.map((length) => Array.from({ length }, () => random.below(VOCABULARY)))

/** Logits of every token of every text. */
type Results = Float32Array[][]

/** Each text alone, in one step, in blocks 0, 1, 2, ... */
async function runAlone(executor: Executor): Promise<Results> {
  const results: Results = []
  for (const ids of TEXTS) {
    const blocks = Array.from({ length: Math.ceil(ids.length / BLOCK_SIZE) }, (_, i) => i)
    const part = { ids, cached: 0, blocks, promptLength: ids.length }
    const { logits } = await executor.step(stepInputs([part], { blockSize: BLOCK_SIZE, rows: 'all' }))
    results.push(ids.map((_, i) => logits!.slice(i * VOCABULARY, (i + 1) * VOCABULARY)))
  }
  return results
}

/** All texts together, cut into chunks, in blocks all over the cache, standing beside each other in any order. */
async function runTogether(executor: Executor, seed: number, longestChunk: number): Promise<Results> {
  const choose = new Random(seed)
  const free = choose.shuffle(Array.from({ length: BLOCKS }, (_, i) => i))
  const sequences = TEXTS.map((ids) => ({ ids, done: 0, blocks: [] as number[], logits: [] as Float32Array[] }))
  for (;;) {
    const waiting = choose.shuffle(sequences.filter(({ ids, done }) => done < ids.length))
    if (waiting.length === 0) return sequences.map(({ logits }) => logits)
    const chosen = waiting.slice(0, 1 + choose.below(waiting.length))
    const parts = chosen.map((sequence): SequencePart => {
      const { ids, done: cached, blocks } = sequence
      const count = Math.min(1 + choose.below(longestChunk), ids.length - cached)
      while (blocks.length * BLOCK_SIZE < cached + count) blocks.push(free.pop()!)
      sequence.done += count
      return { ids: ids.slice(cached, cached + count), cached, blocks: [...blocks], promptLength: ids.length }
    })
    const { logits } = await executor.step(stepInputs(parts, { blockSize: BLOCK_SIZE, rows: 'all' }))
    let row = 0
    parts.forEach(({ ids }, i) => {
      for (const _ of ids) chosen[i]!.logits.push(logits!.slice(row * VOCABULARY, ++row * VOCABULARY))
    })
  }
}

describe('a token’s logits are the same bits in any batch, chunk and block', () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(name, async () => {
      const { spec, weights } = randomModel(form, 7)
      const program = optimize(lower(spec, { ...REFERENCE_LOWERING, blockSize: BLOCK_SIZE, cacheType: 'f16' }))
      const executor = await startReference(program, weights, { blocks: BLOCKS, blockSize: BLOCK_SIZE })
      const expected = await runAlone(executor)
      const check = fc.asyncProperty(fc.nat(), fc.constantFrom(1, 3, 22), async (seed, chunk) => {
        assert.deepEqual(await runTogether(executor, seed, chunk), expected)
      })
      await fc.assert(check, { numRuns: 12 })
      await executor.close()
    })
  }
})

test('tokens of other sequences do not matter, those of the same do', async () => {
  const { spec, weights } = randomModel({}, 7)
  const executor = await startReference(optimize(lower(spec, REFERENCE_LOWERING)), weights)
  const last = async (first: number, other: number) => {
    const parts = [
      { ids: [first, 5, 6], cached: 0, blocks: [1] },
      { ids: [other, 2], cached: 0, blocks: [0] },
    ]
    return (await executor.step(stepInputs(parts, { blockSize: 16 }))).logits!.slice(0, VOCABULARY)
  }
  assert.deepEqual(await last(1, 2), await last(1, 3))
  assert.notDeepEqual(await last(1, 2), await last(2, 2))
})
