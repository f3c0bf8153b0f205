import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WarplineError } from '../../src/errors.js'
import { answer, fakeEngine } from './support/harness.js'

test('when a step fails every request fails, with the executor’s code, and the engine goes on with new ones', async () => {
  const { executor, run, start, engine, assertIdle } = fakeEngine({ maxSequences: 2 })
  const sketch = { prompt: [1, 2, 3, 4, 5], parameters: { maxTokens: 6, numBeams: 2, numReturn: 2 } }
  const expected = answer(await run(sketch))
  await run({ prompt: [7, 8], session: 's', parameters: { maxTokens: 4 } })
  assert.equal(engine.stats().sessions, 1)
  const fail = executor.steps.length + 3
  executor.beforeStep = () => {
    if (executor.steps.length === fail) throw new WarplineError('out-of-memory', 'the device is gone')
  }
  const outcomes = await Promise.all([run(sketch), start({ parameters: { n: 2 } }).done])
  for (const { failure } of outcomes)
    assert.deepEqual([failure!.code, failure!.message], ['out-of-memory', 'the device is gone'])
  assertIdle()
  assert.deepEqual(answer(await run(sketch)), expected)
  assertIdle()
})

test('an executor’s error that has no code gets one', async () => {
  const { executor, run } = fakeEngine()
  executor.beforeStep = () => {
    throw new TypeError('x is not a function')
  }
  const { failure } = await run({})
  assert.equal(failure!.code, 'executor-failed')
  assert.match(failure!.message, /x is not a function/)
})

test('closing lets the step end, fails what is open and refuses what comes', async () => {
  const { executor, start, engine, assertIdle } = fakeEngine({ maxSequences: 1 })
  const open = [start({ parameters: { maxTokens: 50 } }), start({ parameters: { n: 1, maxTokens: 50 } })]
  let closing: Promise<void> | undefined
  let stepping = false
  executor.beforeStep = async () => {
    stepping = true
    if (executor.steps.length === 3) closing = engine.close()
    await new Promise((resolve) => setImmediate(resolve))
    assert(!executor.closed)
    stepping = false
  }
  for (const { done } of open) assert.equal((await done).failure!.code, 'engine-closed')
  await closing
  assert(executor.closed && !stepping)
  assert.equal(executor.steps.length, 3)
  assert.equal((await start({}).done).failure!.code, 'engine-closed')
  assert.equal(engine.close(), engine.close(), 'it is closed once')
  assertIdle()
})

test('a listener that throws is reported and does not stop the engine', async () => {
  const { engine, run, assertIdle } = fakeEngine()
  const reported: unknown[] = []
  const defect = new Error('a defect of the listener')
  engine.onEvent((event) => {
    if (event.type === 'tokens') throw defect
  })
  const others = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => reported.push(error))
  try {
    const { choices } = await run({ parameters: { maxTokens: 3 } })
    assert.equal(choices[0]!.ids.length, 3)
    assert.deepEqual(reported, [defect, defect, defect])
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  }
  assertIdle()
})

test('bans that leave nothing to choose fail the request, not its neighbours', async () => {
  const { run, assertIdle } = fakeEngine()
  const suppressIds = Array.from({ length: 23 }, (_, id) => id)
  const [fine, stuck, stuckBeams] = await Promise.all([
    run({ parameters: { maxTokens: 5 } }),
    run({ parameters: { suppressIds, n: 2 } }),
    run({ parameters: { suppressIds, numBeams: 2 } }),
  ])
  assert.equal(fine!.choices[0]!.ids.length, 5)
  assert.equal(stuck!.failure!.code, 'nothing-allowed')
  assert.equal(stuckBeams!.failure!.code, 'nothing-allowed')
  assertIdle()
})

test('a sample or beam that bans leave no way on ends where it is', async () => {
  for (const parameters of [
    { n: 3, temperature: 1 },
    { numBeams: 2, numReturn: 2 },
  ]) {
    const { run, assertIdle } = fakeEngine({ vocabulary: 3 })
    // Of three tokens no more than nine pairs can be made.
    const { choices } = await run({ parameters: { ...parameters, noRepeatNgramSize: 2, maxTokens: 30 } })
    assert(parameters.n === undefined || choices.length === parameters.n)
    for (const { ids, reason } of choices) assert(ids.length > 0 && ids.length <= 9 && reason === 'length')
    assertIdle()
  }
})

test('logits that are not finite fail the request, and its session is not kept', async () => {
  const { executor, run, assertIdle } = fakeEngine()
  const step = executor.step.bind(executor)
  executor.step = async (inputs) => {
    const outputs = await step(inputs)
    if (executor.steps.length < 3) return outputs
    return { sampled: outputs.sampled.map((row) => ({ ...row, token: -1, failure: 'logits-not-finite' as const })) }
  }
  for (const parameters of [{ maxTokens: 9 }, { maxTokens: 9, numBeams: 2 }]) {
    const { failure } = await run({ session: 's', parameters })
    assert.equal(failure!.code, 'logits-not-finite')
    assertIdle()
  }
})

test('the engine refuses limits under which sequences could not all advance', () => {
  for (const options of [{ maxSequences: 33 }, { maxRows: 7 }, { maxSequences: 0 }]) {
    assert.throws(() => fakeEngine(options), { code: 'option-invalid' })
  }
})
