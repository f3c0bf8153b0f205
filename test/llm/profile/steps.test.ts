import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkStep } from '../../../src/backend/reference/check-step.js'
import { blocksFor, decodeSteps, promptSteps, type StepPlan } from '../../../src/llm/profile/steps.js'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { randomModel } from '../../support/random-model.js'

const program = lower(randomModel({}).spec, REFERENCE_LOWERING)
const vocabulary = randomModel({}).spec.vocabulary
const PLAN: StepPlan = { tokens: 37, batch: 3, context: 21, vocabulary, blockSize: 4, maxTokens: 16 }
const limits = { blocks: blocksFor(PLAN), blockSize: 4, maxTokens: 16, maxRows: 3 }

test('a prompt is cut into steps that an executor takes, and only the last samples', () => {
  const steps = promptSteps(PLAN)
  for (const { inputs } of steps) checkStep(program, inputs, limits)
  assert.deepEqual(
    steps.map(({ shape }) => shape),
    [
      { queries: [{ length: 16, context: 16 }], rows: 0 },
      { queries: [{ length: 16, context: 32 }], rows: 0 },
      { queries: [{ length: 5, context: 37 }], rows: 1 },
    ],
  )
  assert.deepEqual([...steps[2]!.inputs.rows], [4])
  assert.deepEqual([...steps[2]!.inputs.positions], [32, 33, 34, 35, 36])
})

test('sequences of a decode step have caches of their own, filled before it', () => {
  const filled = Math.ceil(PLAN.tokens / PLAN.blockSize)
  const { fill, step } = decodeSteps(PLAN, filled)
  for (const inputs of [fill, step.inputs]) checkStep(program, inputs, limits)
  assert.deepEqual(step.shape, { queries: Array(3).fill({ length: 1, context: 21 }), rows: 3 })
  const tables = [...step.inputs.blockTables]
  assert.equal(tables.length, 3 * 6)
  assert.equal(new Set(tables).size, tables.length)
  const copied = [...fill.copies].filter((_, i) => i % 2 === 1)
  assert.deepEqual(
    [...Array(filled).keys(), ...copied].filter((block) => block < 18),
    [...Array(18).keys()],
  )
  assert.equal(step.inputs.copies.length, 0)
})

test('ids lie in the vocabulary and are not all the same', () => {
  const ids = promptSteps({ ...PLAN, maxTokens: 37 })[0]!.inputs.ids
  assert.ok(ids.every((id) => id >= 0 && id < vocabulary))
  assert.ok(new Set(ids).size > 10)
})
