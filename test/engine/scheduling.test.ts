import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, fakeEngine } from './support/harness.js'

const greedy = (maxTokens: number) => ({ maxTokens })

test('concurrent requests share steps', async () => {
  const { executor, run, assertIdle } = fakeEngine({ blocks: 128 })
  await Promise.all(Array.from({ length: 8 }, (_, i) => run({ prompt: [i, 1, 2], parameters: greedy(20) })))
  assert(executor.steps.length <= 21, `${executor.steps.length} steps for 8 times 20 tokens`)
  assertIdle()
})

test('the prompt of many samples is computed once', async () => {
  const { engine, run, assertIdle } = fakeEngine()
  const prompt = Array.from({ length: 18 }, (_, i) => i)
  const { choices } = await run({ prompt, parameters: { n: 5, temperature: 1, maxTokens: 4 } })
  assert.equal(new Set(choices.map(({ ids }) => ids.join())).size, 5)
  assert.equal(engine.stats().tokens, 18 + 5 * 3)
  assertIdle()
})

test('samples and beams share the blocks of their prompt', async () => {
  for (const parameters of [
    { n: 4, temperature: 1 },
    { numBeams: 4, numReturn: 4 },
  ]) {
    // Four whole blocks for all, and one each for the outputs.
    const { run, assertIdle } = fakeEngine({ blocks: 8, blockSize: 4 })
    const { failure } = await run({ prompt: Array(16).fill(3), parameters: { ...parameters, maxTokens: 5 } })
    assert.equal(failure, undefined)
    assertIdle()
  }
})

test('running streams advance in every step while a long prompt comes in by chunks', async () => {
  const { executor, start, assertIdle } = fakeEngine({ maxTokens: 6, maxRows: 6, maxSequences: 4 })
  const streams = [start({ prompt: [1], parameters: greedy(30) }), start({ prompt: [2], parameters: greedy(30) })]
  const long = Array.from({ length: 33 }, (_, i) => i % 20)
  const lengths: number[][] = []
  let late: ReturnType<typeof start> | undefined
  executor.beforeStep = () => {
    if (executor.steps.length === 4) late = start({ prompt: long, parameters: greedy(2) })
    lengths.push(streams.map(({ outcome }) => outcome.choices[0]?.ids.length ?? 0))
  }
  await Promise.all(streams.map(({ done }) => done))
  assert(late!.outcome.choices[0]!.ids.length === 2)
  assert.deepEqual(
    lengths,
    lengths.map((_, step) => [step, step]),
  )
  const chunks = executor.steps.map(({ ids }) => ids.length).filter((tokens) => tokens > 2)
  assert.deepEqual(chunks.slice(0, 8), [6, 6, 6, 6, 6, 6, 6, 6], 'the budget is used up')
  assertIdle()
})

test('requests begin in the order of their arrival, whatever their size', async () => {
  const { start, engine, assertIdle } = fakeEngine({ blocks: 10, blockSize: 4, maxSequences: 3 })
  const order: string[] = []
  engine.onEvent((event) => {
    if (event.type === 'tokens' && !order.includes(event.id)) order.push(event.id)
  })
  const first = start({ id: 'small', prompt: [1], parameters: greedy(12) })
  const big = start({ id: 'big', prompt: Array(34).fill(2), parameters: greedy(4) })
  const others = ['a', 'b', 'c'].map((id) => start({ id, prompt: [3], parameters: greedy(3) }))
  await Promise.all([first, big, ...others].map(({ done }) => done))
  assert.deepEqual(order, ['small', 'big', 'a', 'b', 'c'])
  assertIdle()
})

test('when blocks run out the latest request makes room and is computed again', async () => {
  const sketches = [1, 2, 3].map((id) => ({ prompt: [id, id], parameters: { maxTokens: 26, logprobs: 1 } }))
  const roomy = fakeEngine()
  const expected = await Promise.all(sketches.map(roomy.run))
  assert.equal(roomy.engine.stats().preemptions, 0)
  const { run, assertIdle } = fakeEngine({ blocks: 14, blockSize: 4 })
  const outcomes = await Promise.all(sketches.map(run))
  assert.deepEqual(outcomes.map(answer), expected.map(answer))
  const preemptions = outcomes.map(({ usage }) => usage!.preemptions)
  assert.equal(preemptions[0], 0)
  assert.equal(preemptions[1], 0)
  assert(preemptions[2]! > 0)
  assertIdle()
})

for (const [name, parameters] of Object.entries({
  samples: { n: 3, temperature: 1, maxTokens: 16, topPDecay: 0.9, logprobs: 1 },
  beams: { numBeams: 3, numReturn: 3, maxTokens: 16, logprobs: 1 },
})) {
  test(`${name} that were preempted go on where they were`, async () => {
    const sketch = { prompt: [5, 6, 7, 8, 9, 10], parameters }
    const expected = answer(await fakeEngine().run(sketch))
    const { run, executor, assertIdle } = fakeEngine({ blocks: 16, blockSize: 4, maxTokens: 8, maxRows: 8 })
    const [, outcome] = await Promise.all([run({ prompt: Array(40).fill(1), parameters: greedy(21) }), run(sketch)])
    assert(outcome!.usage!.preemptions > 0)
    assert.deepEqual(answer(outcome!), expected)
    assert(executor.steps.every(({ ids }) => ids.length <= 8))
    assertIdle()
  })
}

test('a preempted request goes on before those that came after it', async () => {
  const { run, engine, assertIdle } = fakeEngine({ blocks: 12, blockSize: 4, maxSequences: 2 })
  const heard: string[] = []
  engine.onEvent((event) => {
    if (event.type === 'finish' || !heard.includes(`${event.id} begins`)) {
      heard.push(`${event.id} ${event.type === 'finish' ? 'ends' : 'begins'}`)
    }
  })
  const [, second] = await Promise.all([
    run({ id: 'first', prompt: Array(20).fill(1), parameters: greedy(20) }),
    run({ id: 'second', prompt: Array(8).fill(2), parameters: greedy(24) }),
    run({ id: 'third', prompt: [3], parameters: greedy(30) }),
  ])
  assert(second!.usage!.preemptions > 0)
  assert.deepEqual(heard.slice(0, 3), ['first begins', 'second begins', 'first ends'])
  assertIdle()
})

test('a newcomer for whom there is room only until the next step waits', async () => {
  const { run, engine } = fakeEngine({ blocks: 10, blockSize: 4 })
  // The first grows into its sixth block in the second step; the other would fit into the five that are left till then.
  await Promise.all([
    run({ prompt: Array(20).fill(1), parameters: greedy(12) }),
    run({ prompt: Array(20).fill(2), parameters: greedy(2) }),
  ])
  assert.equal(engine.stats().preemptions, 0)
})

test('a preempted prompt is shared again when it is computed again', async () => {
  const { run, engine, assertIdle } = fakeEngine({ blocks: 16, blockSize: 4 })
  const prompt = Array.from({ length: 16 }, (_, i) => i)
  const [older, samples] = await Promise.all([
    run({ prompt: Array(30).fill(1), parameters: greedy(31) }),
    run({ prompt, parameters: { n: 3, temperature: 1, maxTokens: 16 } }),
  ])
  assert.equal(older!.usage!.preemptions, 0)
  assert.equal(samples!.usage!.preemptions, 1, 'it began again only when there was room for all samples')
  const recomputed = engine.stats().tokens - (60 + 16 + 3 * 15)
  assert(recomputed <= 16 + 3 * 15, `${recomputed} tokens were computed again`)
  assertIdle()
})

test('an engine that has nothing to do takes no steps', async () => {
  const { run, executor, engine } = fakeEngine()
  await run({ parameters: greedy(3) })
  const steps = executor.steps.length
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.equal(executor.steps.length, steps)
  assert.equal(engine.stats().steps, steps)
})
