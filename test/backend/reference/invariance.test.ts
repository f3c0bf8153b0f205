import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { randomTexts, runAlone, runTogether } from '../../support/ragged-runs.js'
import { FORMS, randomModel } from '../../support/random-model.js'
import { startReference } from '../../support/run-reference.js'
import { stepInputs } from '../../support/steps.js'

const BLOCK_SIZE = 4
const BLOCKS = 40
const LENGTHS = [1, 6, 13, 22]
const VOCABULARY = 61

const TEXTS = randomTexts(LENGTHS, { blockSize: BLOCK_SIZE, blocks: BLOCKS })

describe('a token’s logits are the same bits in any batch, chunk and block', () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(name, async () => {
      const { spec, weights } = randomModel(form, 7)
      const program = optimize(lower(spec, { ...REFERENCE_LOWERING, blockSize: BLOCK_SIZE, cacheType: 'f16' }))
      const executor = await startReference(program, weights, { blocks: BLOCKS, blockSize: BLOCK_SIZE })
      const expected = await runAlone(executor, TEXTS)
      const check = fc.asyncProperty(fc.nat(), fc.constantFrom(1, 3, 22), async (seed, chunk) => {
        assert.deepEqual(await runTogether(executor, TEXTS, seed, chunk), expected)
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
