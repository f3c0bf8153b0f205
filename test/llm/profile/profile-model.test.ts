import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { BUNDLED_MODEL, inspectModel, type LoadOptions, type ProfileReport, profileModel } from '../../../src/index.js'
import { measureSteps } from '../../../src/llm/profile/measure.js'
import { skip } from '../../backend/cpu/support/levels.js'
import { PROJECT } from '../../support/cli.js'

const MODEL = join(PROJECT, 'test/golden/models/llama')
const SHAPE = { tokens: 24, batch: 3, context: 40 }

const positive = (value: number | undefined) => value !== undefined && Number.isFinite(value) && value > 0

async function matchesProgram(report: ProfileReport, options: LoadOptions): Promise<void> {
  const { program, cost } = await inspectModel(MODEL, options, SHAPE)
  assert.deepEqual(report.shape, SHAPE)
  for (const { phase, operations, nanoseconds, bytesRead, flops } of report.phases) {
    assert.deepEqual(
      operations.map(({ kind }) => kind),
      program[phase].map(({ kind }) => kind),
    )
    assert.deepEqual([bytesRead, flops], [cost[phase].bytesRead, cost[phase].flops])
    assert.ok(positive(nanoseconds))
    const products = operations.filter(({ kind }) => kind === 'linear')
    assert.ok(products.length > 0 && products.every((one) => positive(one.nanoseconds)))
  }
}

describe('a profile', () => {
  test('of the reference backend has times and costs of every operation, and no limits', async () => {
    const options = { device: 'reference' } as const
    const report = await profileModel(MODEL, options, { ...SHAPE, repeats: 2 })
    await matchesProgram(report, options)
    assert.equal(report.limits, undefined)
    assert.deepEqual([report.device, report.repeats], ['reference', 2])
    assert.ok(report.phases.every(({ ratio }) => ratio === undefined))
  })

  for (const dtype of ['f32', 'bf16', 'int8', 'int4'] as const) {
    test(`of the CPU backend with ${dtype} weights has limits and ratios too`, { skip }, async () => {
      const options = { device: 'cpu', dtype } as const
      const report = await profileModel(MODEL, options, { ...SHAPE, repeats: 2 })
      await matchesProgram(report, options)
      assert.ok(positive(report.limits!.readBytes) && positive(report.limits!.operations[dtype]))
      for (const { ratio, operations } of report.phases) {
        assert.ok(positive(ratio))
        const products = operations.filter(({ kind }) => kind === 'linear')
        assert.ok(products.every((one) => positive(one.ratio) && one.bound))
      }
    })
  }

  test('of a prompt longer than a step takes several steps', async () => {
    const options = { device: 'reference', maxBatchTokens: 10 } as const
    const { phases } = await profileModel(MODEL, options, { tokens: 24, repeats: 1 })
    assert.deepEqual(
      phases[0]!.steps.map(({ tokens, context }) => [tokens, context]),
      [
        [10, 10],
        [10, 20],
        [4, 24],
      ],
    )
  })
})

describe('refused are', () => {
  const options = { device: 'reference' } as const
  test('shapes that the model cannot run, and repeats that are no number', async () => {
    await assert.rejects(profileModel(MODEL, options, { tokens: 100_000 }), { code: 'parameter-invalid' })
    await assert.rejects(profileModel(MODEL, options, { context: 0 }), { code: 'parameter-invalid' })
    for (const repeats of [0, 1.5, 1e9]) {
      await assert.rejects(profileModel(MODEL, options, { repeats }), { code: 'parameter-invalid', message: /repeats/ })
    }
  })

  test('caches that do not fit the memory', async () => {
    const huge = profileModel(BUNDLED_MODEL, { ...options, kvDtype: 'f32' }, { batch: 65536, context: 512 })
    await assert.rejects(huge, { code: 'out-of-memory', message: /batch or context/ })
  })

  test('devices without a clock', async () => {
    const executor = {
      memory: { weights: 0, cache: 0, activations: 0 },
      step: () => assert.fail(),
      close: async () => {},
    }
    const plan = { tokens: 1, batch: 1, context: 1, vocabulary: 8, blockSize: 4, maxTokens: 4 }
    const measuring = measureSteps(executor, plan, { device: 'blind', repeats: 1, signal: undefined })
    await assert.rejects(measuring, { code: 'device-unavailable', message: /blind/ })
  })
})

test('a signal ends a profile', async () => {
  const signal = AbortSignal.abort()
  await assert.rejects(profileModel(MODEL, { device: 'reference', signal }), { code: 'cancelled' })
})
