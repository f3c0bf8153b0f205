import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AheadExecutor } from './support/ahead-executor.js'
import { blocksNeeded, crampedShapes, delays, requests } from './support/arbitrary.js'
import { ClockedExecutor } from './support/clocked-executor.js'
import { drive } from './support/drive.js'
import { FakeExecutor } from './support/fake-executor.js'
import { answer, FAKE_SHAPE, fakeEngine, harness, type RequestSketch } from './support/harness.js'

const greedy = (maxTokens: number) => ({ maxTokens })
const session = 'talk'

/** The answer without a session, and on an engine of its own. */
async function plain(sketch: RequestSketch, options = {}) {
  return answer(await fakeEngine(options).run({ ...sketch, session: undefined }))
}

test('a turn continues on the cache of prompt and output, and computes only what is new', async () => {
  const { run, executor, post, assertIdle } = fakeEngine()
  const first = await run({ prompt: [1, 2, 3, 4, 5], session, parameters: greedy(6) })
  const sketch = { prompt: [1, 2, 3, 4, 5, ...first.choices[0]!.ids, 8, 9], session, parameters: greedy(4) }
  const before = executor.steps.length
  const second = await run(sketch)
  // Its last token was never computed: nothing came after it.
  assert.equal(second.usage!.cachedTokens, 5 + 6 - 1)
  assert.equal(executor.steps[before]!.ids.length, 3)
  assert.deepEqual(answer(second), await plain(sketch))
  assertIdle(1)
  post({ type: 'end-session', session })
  await run({ parameters: greedy(1) })
  assertIdle()
})

test('a prompt that differs continues where it differs', async () => {
  const { run, assertIdle } = fakeEngine()
  await run({ prompt: [1, 2, 3, 4, 5, 6, 7], session, parameters: greedy(6) })
  for (const [prompt, cachedTokens] of [
    [[1, 2, 3, 4, 5, 9, 9], 5],
    [[1, 2, 3], 2],
    [[8, 2, 3], 0],
  ] as const) {
    const sketch = { prompt, session, parameters: greedy(5) }
    const outcome = await run(sketch)
    assert.equal(outcome.usage!.cachedTokens, cachedTokens)
    assert.deepEqual(answer(outcome), await plain(sketch))
  }
  assertIdle(1)
})

test('a prompt that was cached whole computes its last token again', async () => {
  const { run } = fakeEngine()
  const sketch = { prompt: [1, 2, 3, 4], session, parameters: greedy(3) }
  await run(sketch)
  const again = await run(sketch)
  assert.equal(again.usage!.cachedTokens, 3)
  assert.deepEqual(answer(again), await plain(sketch))
})

test('of samples the first is continued, of beams the prompt', async () => {
  const { run } = fakeEngine()
  const prompt = [1, 2, 3, 4, 5, 6]
  const samples = await run({ prompt, session, parameters: { n: 3, temperature: 1, maxTokens: 9 } })
  const next = await run({
    prompt: [...prompt, ...samples.choices[0]!.ids],
    session,
    parameters: { numBeams: 3, maxTokens: 5 },
  })
  assert.equal(next.usage!.cachedTokens, 6 + 8)
  const last = {
    prompt: [...prompt, ...samples.choices[0]!.ids, ...next.choices[0]!.ids],
    session,
    parameters: greedy(5),
  }
  const outcome = await run(last)
  assert.equal(outcome.usage!.cachedTokens, 6 + 9)
  assert.deepEqual(answer(outcome), await plain(last))
})

test('a cancelled turn leaves what it computed', async () => {
  const { run, start, post, executor } = fakeEngine()
  const { id, done } = start({ prompt: [1, 2, 3], session, parameters: greedy(50) })
  executor.beforeStep = () => {
    if (executor.steps.length === 6) post({ type: 'cancel', id })
  }
  const { choices } = await done
  const sketch = { prompt: [1, 2, 3, ...choices[0]!.ids, 7], session, parameters: greedy(3) }
  const next = await run(sketch)
  assert.equal(next.usage!.cachedTokens, 3 + choices[0]!.ids.length)
  assert.deepEqual(answer(next), await plain(sketch))
})

test('idle sessions give way, the one idle longest first, and are computed again', async () => {
  const { run, engine } = fakeEngine({ blocks: 12, blockSize: 4 })
  const turn = (name: string, id: number) => ({ prompt: Array(8).fill(id), session: name, parameters: greedy(5) })
  for (const [i, name] of ['a', 'b', 'c'].entries()) await run(turn(name, i))
  assert.equal((await run(turn('a', 0))).usage!.cachedTokens, 7)
  assert.equal(engine.stats().sessions, 3)
  await run({ prompt: Array(14).fill(5), parameters: greedy(3) })
  assert.equal(engine.stats().sessions, 2)
  assert.equal((await run(turn('c', 2))).usage!.cachedTokens, 7, 'c was used later than b')
  assert.equal((await run(turn('a', 0))).usage!.cachedTokens, 7, 'a was used later than b')
  const sketch = turn('b', 1)
  const evicted = await run(sketch)
  assert.equal(evicted.usage!.cachedTokens, 0)
  assert.deepEqual(answer(evicted), await plain(sketch))
})

test('a turn that needs more room takes it from other sessions, not from its own', async () => {
  const { run, engine } = fakeEngine({ blocks: 8, blockSize: 4 })
  await run({ prompt: Array(12).fill(1), session, parameters: greedy(5) })
  await run({ prompt: Array(12).fill(2), session: 'other', parameters: greedy(5) })
  assert.equal(engine.stats().freeBlocks, 0)
  const turn = await run({ prompt: Array(24).fill(1), session, parameters: greedy(2) })
  assert(turn.usage!.cachedTokens >= 12)
  assert.equal(engine.stats().sessions, 1)
})

test('a session that ends while its request runs is not kept', async () => {
  const { start, post, executor, assertIdle } = fakeEngine()
  const { done } = start({ prompt: [1, 2], session, parameters: greedy(8) })
  executor.beforeStep = () => {
    if (executor.steps.length === 3) post({ type: 'end-session', session })
  }
  await done
  assertIdle()
})

test('a request that asks about its whole prompt computes it whole', async () => {
  const { run } = fakeEngine()
  const prompt = [1, 2, 3, 4, 5, 6]
  await run({ prompt, session, parameters: greedy(3) })
  for (const parameters of [{ promptLogprobs: 1 }, { hiddenStates: true }]) {
    const sketch = { prompt, session, parameters: { ...parameters, maxTokens: 3 } }
    const outcome = await run(sketch)
    assert.equal(outcome.usage!.cachedTokens, 0)
    assert.deepEqual(answer(outcome), await plain(sketch))
  }
  assert.equal((await run({ prompt, session, parameters: greedy(3) })).usage!.cachedTokens, 5)
})

test('soft prompts are continued only where their rows are the same', async () => {
  const { run } = fakeEngine()
  const rows = (third: number) => Float32Array.from([0.5, 1, 2, 3, 4, third])
  const sketch = (third: number) => ({
    prompt: [-1, 7, -1, 8, 9],
    softRows: rows(third),
    session,
    parameters: greedy(3),
  })
  await run(sketch(5))
  assert.equal((await run(sketch(5))).usage!.cachedTokens, 4)
  const other = await run(sketch(6))
  assert.equal(other.usage!.cachedTokens, 2)
  assert.deepEqual(answer(other), await plain(sketch(6)))
})

test('keys that dynamic scaling turned by the length of one prompt serve no other', async () => {
  const options = { dynamicRotary: 8 }
  const { run } = fakeEngine(options)
  const prompt = Array.from({ length: 12 }, (_, i) => i)
  for (const [length, cachedTokens] of [
    [4, 0],
    [6, 4],
    [8, 6],
    [12, 0],
    [12, 0],
    [7, 0],
    [7, 6],
  ] as const) {
    const sketch = { prompt: prompt.slice(0, length), session, parameters: greedy(1) }
    const outcome = await run(sketch)
    assert.equal(outcome.usage!.cachedTokens, cachedTokens)
    assert.deepEqual(answer(outcome), await plain(sketch, options))
  }
})

test('sessions never change an answer: any turns, names, neighbours and cramped engines, running ahead or not', async () => {
  let cached = 0
  const turns = fc.array(
    fc.record({
      sketch: requests(3, { prompt: 14, output: 12 }),
      session: fc.constantFrom('a', 'b', undefined),
      at: fc.nat(40),
      cancelAt: fc.option(fc.nat(60), { freq: 6 }),
    }),
    { minLength: 3, maxLength: 9, size: 'max' },
  )
  const rotary = fc.constantFrom(undefined, 6)
  await fc.assert(
    fc.asyncProperty(crampedShapes, turns, rotary, delays, async ({ shape, spare }, list, dynamicRotary, late) => {
      const arrivals = list.map(({ sketch, session: name, ...rest }) => ({
        sketch: { ...sketch, session: name },
        ...rest,
      }))
      const blocks = Math.max(...arrivals.map(({ sketch }) => blocksNeeded(sketch, shape.blockSize))) + spare
      // With three tokens prompts often begin alike.
      const shaped = { ...FAKE_SHAPE, ...shape, blocks, vocabulary: 3, dynamicRotary }
      const fake = new FakeExecutor(shaped)
      const clock = new ClockedExecutor(late ? new AheadExecutor(fake, late) : fake)
      const client = harness(clock, shaped)
      const outcomes = await drive(client, clock, arrivals)
      for (const [i, outcome] of outcomes.entries()) {
        cached += outcome.usage?.cachedTokens ?? 0
        if (outcome.choices.some(({ reason }) => reason === 'cancelled')) continue
        const generous = { ...shaped, blocks: 512, maxTokens: 64, maxRows: 64 }
        assert.deepEqual(answer(outcome), await plain(arrivals[i]!.sketch, generous))
      }
      for (const name of ['a', 'b']) client.post({ type: 'end-session', session: name })
      await client.run({ parameters: greedy(1) })
      client.assertIdle()
    }),
    { numRuns: 250 },
  )
  assert(cached > 0)
})
