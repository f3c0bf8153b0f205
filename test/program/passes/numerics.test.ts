import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { fuseGateUp, fuseQkv } from '../../../src/program/passes/fuse-projections.js'
import { fuseResidualNorm } from '../../../src/program/passes/fuse-residual-norm.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { planMemory } from '../../../src/program/passes/plan-memory.js'
import type { Program } from '../../../src/program/program.js'
import type { WeightReader } from '../../../src/program/weight-source.js'
import { FORMS, randomModel } from '../../support/random-model.js'
import { startReference } from '../../support/run-reference.js'
import { stepInputs } from '../../support/steps.js'

const PASSES: Record<string, (program: Program) => Program> = {
  fuseQkv,
  fuseGateUp,
  fuseResidualNorm,
  planMemory,
  optimize,
}

const STEPS = [
  [
    { ids: [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], cached: 0, blocks: [5] },
    { ids: [2, 7, 1], cached: 0, blocks: [2] },
  ],
  [
    { ids: [8], cached: 11, blocks: [5] },
    { ids: [2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3], cached: 3, blocks: [2, 0] },
  ],
].map((parts) => stepInputs(parts, { blockSize: 16, rows: 'all' }))

async function run(program: Program, weights: WeightReader): Promise<Float32Array[]> {
  const executor = await startReference(program, weights)
  const results: Float32Array[] = []
  for (const step of STEPS) {
    const { logits, hidden } = await executor.step(step)
    results.push(logits!, hidden!)
  }
  await executor.close()
  return results
}

describe('no pass changes a bit of the result', () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(name, async () => {
      const { spec, weights } = randomModel({ ...form, layers: 3 })
      const plain = lower(spec, REFERENCE_LOWERING)
      const expected = await run(plain, weights)
      assert.ok(expected.every((values) => values.every(Number.isFinite)))
      for (const [pass, apply] of Object.entries(PASSES)) {
        assert.deepEqual(await run(apply(plain), weights), expected, pass)
      }
    })
  }
})
