import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answer, fakeEngine } from './support/harness.js'

for (const [name, parameters] of Object.entries({
  'one sample': {},
  samples: { n: 3, temperature: 1 },
  'a beam search': { numBeams: 3, numReturn: 2 },
})) {
  test(`${name}: cancelled during a step, its blocks are free before the next and nothing more is heard`, async () => {
    const { executor, engine, start, post } = fakeEngine()
    const other = start({ prompt: [9], parameters: { maxTokens: 30 } })
    const { id, outcome, done } = start({ prompt: Array(9).fill(4), parameters: { ...parameters, maxTokens: 40 } })
    const free: number[] = []
    let heard = 0
    executor.beforeStep = () => {
      free.push(engine.stats().freeBlocks)
      if (executor.steps.length !== 10) return
      heard = outcome.events.length
      post({ type: 'cancel', id })
    }
    await done
    const ends = outcome.events.slice(heard)
    assert.deepEqual(new Set(ends.map(({ type }) => type)), new Set(['finish']), 'the step’s tokens are not told')
    assert(outcome.choices.every(({ reason }) => reason === 'cancelled'))
    await other.done
    // Before the eleventh step only the other request held blocks: eleven tokens in blocks of four.
    assert.equal(free[10], engine.stats().blocks - 3)
    assert.equal(engine.stats().freeBlocks, engine.stats().blocks)
  })
}

test('a request that waits or is half way through its prompt can be cancelled', async () => {
  const { executor, start, post, assertIdle } = fakeEngine({ maxTokens: 4, maxSequences: 1, maxRows: 4 })
  const chunked = start({ prompt: Array(30).fill(1), parameters: { maxTokens: 5 } })
  const waiting = start({ prompt: [1], parameters: { n: 1, maxTokens: 5 } })
  executor.beforeStep = () => {
    if (executor.steps.length !== 3) return
    post({ type: 'cancel', id: waiting.id })
    post({ type: 'cancel', id: chunked.id })
  }
  for (const { done } of [chunked, waiting]) {
    const { choices, usage } = await done
    assert.deepEqual(choices, [{ ids: [], logprobs: [], reason: 'cancelled' }])
    assert.equal(usage!.completionTokens, 0)
  }
  assert.equal(executor.steps.length, 3)
  assertIdle()
})

test('all choices of a cancelled request end, the last of them as the last', async () => {
  const { start, post, assertIdle } = fakeEngine()
  for (const [parameters, choices] of [
    [{ n: 3 }, 3],
    [{ numBeams: 4, numReturn: 2 }, 2],
  ] as const) {
    const { id, done } = start({ parameters })
    post({ type: 'cancel', id })
    const { events } = await done
    assert.deepEqual(
      events.map((event) => event.type === 'finish' && [event.index, event.reason, event.last]),
      Array.from({ length: choices }, (_, i) => [i, 'cancelled', i === choices - 1]),
    )
  }
  assertIdle()
})

test('a choice that is stopped from outside gets no further token, the others all of theirs', async () => {
  const sketch = { prompt: [1, 2, 3], parameters: { n: 3, temperature: 1, maxTokens: 12 } }
  const whole = answer(await fakeEngine().run(sketch))
  const { engine, start, post, assertIdle } = fakeEngine()
  const { id, outcome, done } = start(sketch)
  engine.onEvent((event) => {
    if (event.type === 'tokens' && event.index === 1 && outcome.choices[1]!.ids.length === 5) {
      post({ type: 'stop-choice', id, index: 1 })
    }
  })
  const { choices, usage } = await done
  assert.deepEqual([choices[0], choices[2]], [whole.choices[0], whole.choices[2]])
  assert.deepEqual(choices[1], { ...whole.choices[1], ids: whole.choices[1]!.ids.slice(0, 5), reason: 'stop' })
  assert.equal(usage!.completionTokens, 12 + 5 + 12)
  assertIdle()
})

test('a choice stopped while its next token is computed does not get it', async () => {
  const { executor, start, post } = fakeEngine()
  const { id, done } = start({ prompt: [1], parameters: { maxTokens: 12 } })
  executor.beforeStep = () => {
    if (executor.steps.length === 4) post({ type: 'stop-choice', id, index: 0 })
  }
  const { choices } = await done
  assert.equal(choices[0]!.ids.length, 3)
  assert.equal(choices[0]!.reason, 'stop')
})

test('commands about nobody are ignored', async () => {
  const { run, post, assertIdle } = fakeEngine()
  post({ type: 'cancel', id: 'nobody' })
  post({ type: 'stop-choice', id: 'nobody', index: 0 })
  post({ type: 'end-session', session: 'none' })
  const { choices } = await run({ parameters: { maxTokens: 2 } })
  assert.equal(choices[0]!.ids.length, 2)
  assertIdle()
})
