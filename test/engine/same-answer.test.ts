import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { optimize } from '../../src/program/passes/optimize.js'
import { OverwrittenInputs } from '../support/overwritten-inputs.js'
import { FORMS, randomModel } from '../support/random-model.js'
import { startReference } from '../support/run-reference.js'
import { AheadExecutor } from './support/ahead-executor.js'
import { blocksNeeded, crampedShapes, delays, requests } from './support/arbitrary.js'
import { ClockedExecutor } from './support/clocked-executor.js'
import { drive } from './support/drive.js'
import { FakeExecutor } from './support/fake-executor.js'
import { answer, FAKE_SHAPE, fakeEngine, harness, type RequestSketch } from './support/harness.js'
import { engineOn } from './support/model-engine.js'

async function alone(sketch: RequestSketch) {
  const { run, engine } = fakeEngine({ blocks: 512, maxTokens: 256, maxRows: 256 })
  const outcome = await run(sketch)
  await engine.close()
  return answer(outcome)
}

test('a request’s answer is the same alone, in any batch, in any chunks, with and without preemption or running ahead', async () => {
  let preemptions = 0
  let tokensFromDevice = 0
  const arrivals = fc.array(
    fc.record({
      sketch: requests(23, { prompt: 12, output: 20 }),
      at: fc.nat(8),
      cancelAt: fc.option(fc.nat(20), { freq: 5 }),
    }),
    { minLength: 2, maxLength: 7, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(crampedShapes, arrivals, delays, async ({ shape, spare }, list, late) => {
      const blocks = Math.max(...list.map(({ sketch }) => blocksNeeded(sketch, shape.blockSize))) + spare
      const shaped = { ...FAKE_SHAPE, ...shape, blocks }
      const fake = new FakeExecutor(shaped)
      const ahead = late && new AheadExecutor(fake, late)
      const clock = new ClockedExecutor(ahead ? new OverwrittenInputs(ahead) : fake)
      const client = harness(clock, shaped)
      const outcomes = await drive(client, clock, list)
      client.assertIdle()
      for (const [i, outcome] of outcomes.entries()) {
        if (outcome.choices.some(({ reason }) => reason === 'cancelled')) continue
        assert.deepEqual(answer(outcome), await alone(list[i]!.sketch))
      }
      preemptions += client.engine.stats().preemptions
      tokensFromDevice += ahead?.tokensFromDevice ?? 0
      await client.engine.close()
    }),
    { numRuns: 300 },
  )
  assert(tokensFromDevice > 0)
  assert(preemptions > 0, 'some of these engines were cramped enough to preempt')
})

for (const [name, form] of Object.entries(FORMS)) {
  test(`the reference backend gives the same bits in any circumstances: ${name}`, async () => {
    const { spec, weights } = randomModel({ ...form, contextLength: 64 })
    const blockSize = 4
    const program = optimize(lower(spec, { ...REFERENCE_LOWERING, blockSize }))
    const executor = await startReference(program, weights, { blocks: 64, blockSize, maxTokens: 64, maxRows: 64 })
    const model = { spec, program, executor, blockSize, blocks: 64 }
    const arrivals = fc.array(fc.record({ sketch: requests(61, { prompt: 14, output: 10 }), at: fc.nat(6) }), {
      minLength: 3,
      maxLength: 5,
      size: 'max',
    })
    await fc.assert(
      fc.asyncProperty(crampedShapes, arrivals, delays, async ({ shape, spare }, list, late) => {
        const blocks = Math.max(...list.map(({ sketch }) => blocksNeeded(sketch, blockSize))) + spare
        const runner = late ? new AheadExecutor(executor, late) : executor
        const client = engineOn({ ...model, executor: runner }, { ...shape, blockSize, blocks })
        const outcomes = await drive(client, client.clock, list)
        client.assertIdle()
        // A step that was handed over in vain may still be computed, and the executor is wanted for the answers alone.
        await client.engine.close()
        for (const [i, outcome] of outcomes.entries()) {
          assert.deepEqual(
            answer(outcome),
            answer(await engineOn(model, { maxTokens: 64, maxRows: 64 }).run(list[i]!.sketch)),
          )
        }
      }),
      { numRuns: 12 },
    )
    await executor.close()
  })
}
