import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Executor } from '../../src/backend/executor.js'
import type { SamplingParameters } from '../../src/engine/sampling-parameters.js'
import { WarplineError } from '../../src/errors.js'
import type { SampledRow } from '../../src/program/step.js'
import { aheadEngine, answer, FAKE_SHAPE, fakeEngine, harness, type RequestSketch } from './support/harness.js'

const greedy = (maxTokens: number) => ({ maxTokens })
const prompt = [3, 1, 4, 1, 5]

/** What an engine that works one step at a time says. */
async function plain(sketch: RequestSketch, options = {}) {
  return answer(await fakeEngine(options).run({ ...sketch, session: undefined }))
}

describe('the next step is handed over while one is under way', () => {
  test('a stream takes all its tokens but the prompt’s from the device, in as many steps as without', async () => {
    const { run, executor, ahead, engine, assertIdle } = aheadEngine()
    const sketch = { prompt, parameters: { ...greedy(20), temperature: 1, logprobs: 2 } }
    assert.deepEqual(answer(await run(sketch)), await plain(sketch))
    assert.equal(executor.steps.length, 20)
    assert.equal(ahead.overlapping, 19)
    assert.equal(ahead.tokensFromDevice, 19)
    assert.equal(engine.stats().tokens, prompt.length + 19, 'nothing behind the last token is computed')
    assertIdle()
  })

  test('chunks of prompts too, and new requests join in', async () => {
    const { run, executor, ahead, assertIdle } = aheadEngine({ maxTokens: 4, maxSequences: 4, maxRows: 4 })
    const sketches = [9, 30, 17].map((length, i) => ({
      prompt: Array.from({ length }, (_, j) => (i + j * j) % 23),
      parameters: { maxTokens: 5 + i, promptLogprobs: 1, hiddenStates: true },
    }))
    const outcomes = await Promise.all(sketches.map(run))
    for (const [i, outcome] of outcomes.entries()) assert.deepEqual(answer(outcome), await plain(sketches[i]!))
    assert.equal(ahead.overlapping, executor.steps.length - 1)
    assertIdle()
  })

  test('rows that are a matter of position, not of tokens, are written ahead', async () => {
    const parameters: Partial<SamplingParameters> = {
      ...{
        maxTokens: 12,
        minTokens: 5,
        stopIds: [22],
        temperature: 1,
        topK: 20,
        topP: 0.9,
        topPDecay: 0.8,
        topPMin: 0.3,
      },
      ...{ minP: 0.01, badWordsIds: [[3]], suppressIds: [4], logitBias: new Map([[5, 1]]), seed: 11n },
    }
    const ahead = aheadEngine()
    const without = fakeEngine()
    const outcomes = await Promise.all([ahead, without].map(({ run }) => run({ prompt, parameters })))
    assert.deepEqual(answer(outcomes[0]!), answer(outcomes[1]!))
    const rows = [ahead, without].map(({ executor }) => executor.steps.map(({ sampling }) => sampling[0]))
    assert.deepEqual(rows[0]!.slice(0, rows[1]!.length), rows[1])
    assert(ahead.ahead.tokensFromDevice >= rows[1]!.length - 1)
  })

  test('of several samples all but the first tokens are taken from the device', async () => {
    const { run, ahead, assertIdle } = aheadEngine()
    const sketch = { prompt, parameters: { n: 3, temperature: 1, maxTokens: 10 } }
    assert.deepEqual(answer(await run(sketch)), await plain(sketch))
    assert.equal(ahead.tokensFromDevice, 3 * 8)
    assertIdle()
  })
})

const dependent: Record<string, Partial<SamplingParameters>> = {
  'a beam search': { numBeams: 3, numReturn: 2 },
  'a repetition penalty': { repetitionPenalty: 1.3 },
  'a presence penalty': { presencePenalty: 0.5 },
  'a frequency penalty': { frequencyPenalty: 0.5 },
  'no repeated n-grams': { noRepeatNgramSize: 2 },
  'bad words of several tokens': { badWordsIds: [[1, 2]] },
  'a top-p that tokens reset': { temperature: 1, topP: 0.9, topPDecay: 0.5, topPResetIds: [1, 2, 3, 4, 5, 6, 7] },
}

describe('what depends on the host waits for its token and holds up nobody', () => {
  for (const [name, parameters] of Object.entries(dependent)) {
    test(`${name} takes part in every second step beside a stream that takes part in all`, async () => {
      const { run, executor, assertIdle } = aheadEngine()
      const stream = { prompt: [9, 9], parameters: greedy(25) }
      const sketch = { prompt, parameters: { ...parameters, maxTokens: 9 } }
      const outcomes = await Promise.all([run(stream), run(sketch)])
      assert.deepEqual(outcomes.map(answer), [await plain(stream), await plain(sketch)])
      assert.equal(executor.steps.length, 25)
      const partners = executor.steps.map(({ contextLengths }) => contextLengths.length > 1)
      assert.deepEqual(
        partners,
        partners.map((_, step) => step < 17 && step % 2 === 0),
      )
      assertIdle()
    })
  }

  test('where all depend on the host they stay together, whatever their prompts take', async () => {
    const { run, ahead, executor, assertIdle } = aheadEngine({ maxTokens: 4, maxSequences: 4, maxRows: 4 })
    const parameters = { maxTokens: 20, repetitionPenalty: 1.2 }
    // The first is past its prompt while the second's, in pieces, is not: they could come to take turns.
    await Promise.all([1, 8].map((length) => run({ prompt: Array(length).fill(2), parameters })))
    assert.equal(ahead.overlapping, 0)
    assert(executor.steps.length <= 23, `${executor.steps.length} steps`)
    assertIdle()
  })
})

describe('what is computed behind an end that nobody foresaw is thrown away', () => {
  test('behind a stop id', async () => {
    const stopIds = [2, 9, 13, 17, 20]
    for (const n of [1, 3]) {
      const { run, executor, engine, assertIdle } = aheadEngine({ blocks: 128 })
      const sketch = { prompt, parameters: { temperature: 1, maxTokens: 40, n, stopIds, logprobs: 1, seed: 5n } }
      const outcome = await run(sketch)
      await engine.close()
      assert.deepEqual(answer(outcome), await plain(sketch, { blocks: 128 }))
      const lengths = outcome.choices.map(({ ids }) => ids.length)
      assert(outcome.choices.every(({ reason }) => reason === 'stop'))
      assert.equal(executor.steps.length, Math.max(...lengths) + 1, 'one step too many')
      const needed = prompt.length + lengths.reduce((sum, length) => sum + length - 1, 0)
      assert.equal(engine.stats().tokens, needed + n)
      assert.equal(outcome.usage!.completionTokens, needed - prompt.length + n)
      assertIdle()
    }
  })

  test('behind an end from outside, at which a listener saw its text', async () => {
    const sketch = { prompt: [1, 2, 3], parameters: { n: 3, temperature: 1, maxTokens: 12 } }
    const whole = await plain(sketch)
    const { engine, start, post, assertIdle } = aheadEngine()
    const { id, outcome, done } = start(sketch)
    engine.onEvent((event) => {
      if (event.type === 'tokens' && event.index === 1 && outcome.choices[1]!.ids.length === 5) {
        post({ type: 'stop-choice', id, index: 1 })
      }
    })
    const { choices } = await done
    assert.deepEqual([choices[0], choices[2]], [whole.choices[0], whole.choices[2]])
    assert.deepEqual(choices[1], { ...whole.choices[1], ids: whole.choices[1]!.ids.slice(0, 5), reason: 'stop' })
    assertIdle()
  })

  test('behind a row that failed', async () => {
    const { run, executor, engine, assertIdle } = aheadEngine()
    const step = executor.step.bind(executor)
    executor.step = async (inputs) => {
      const outputs = await step(inputs)
      if (executor.steps.length !== 4) return outputs
      const sampled = outputs.sampled.map((row) => ({ ...row, token: -1, failure: 'nothing-allowed' as const }))
      return { ...outputs, sampled }
    }
    const { choices } = await run({ prompt: [1], parameters: greedy(9) })
    await engine.close()
    assert.deepEqual([choices[0]!.ids.length, choices[0]!.reason], [3, 'length'])
    assert.equal(executor.steps.length, 5)
    assertIdle()
  })

  test('blocks that are given back while a step still writes into them serve the next request', async () => {
    // Room for one request: the second begins in the blocks that the first's last step, handed over in vain, still uses.
    const options = { blocks: 4, blockSize: 2, maxSequences: 2 }
    const first = { prompt: [1, 2], parameters: { maxTokens: 7, stopIds: [] as number[] } }
    const { choices } = await plain(first)
    first.parameters.stopIds = [choices[0]!.ids[4]!]
    const length = choices[0]!.ids.indexOf(first.parameters.stopIds[0]!) + 1
    const second = { prompt: [5, 6, 7, 8, 9, 10], parameters: greedy(3) }
    const { run, executor, ahead, assertIdle } = aheadEngine(options)
    const outcomes = await Promise.all([run(first), run(second)])
    assert.deepEqual(outcomes.map(answer), [await plain(first), await plain(second)])
    const [late, next] = executor.steps.slice(length, length + 2)
    assert.deepEqual([late!.ids.length, next!.ids.length], [1, 6])
    assert(
      next!.slots.some((slot) => slot >> 1 === late!.slots[0]! >> 1),
      'they do share a block',
    )
    assert.equal(ahead.overlapping, executor.steps.length - 1)
    assertIdle()
  })

  test('a session keeps what is known of it', async () => {
    for (const cancelled of [false, true]) {
      const { start, run, post, executor } = aheadEngine()
      const whole = await plain({ prompt, parameters: greedy(30) })
      const stopIds = cancelled ? [] : [whole.choices[0]!.ids[6]!]
      const { id, done } = start({ prompt, session: 's', parameters: { ...greedy(30), stopIds } })
      executor.beforeStep = () => {
        if (cancelled && executor.steps.length === 6) post({ type: 'cancel', id })
      }
      const { choices } = await done
      const sketch = { prompt: [...prompt, ...choices[0]!.ids, 7], session: 's', parameters: greedy(6) }
      const next = await run(sketch)
      assert.equal(next.usage!.cachedTokens, prompt.length + choices[0]!.ids.length)
      assert.deepEqual(answer(next), await plain(sketch))
    }
  })
})

for (const [name, parameters] of Object.entries({
  'one sample': {},
  samples: { n: 3, temperature: 1 },
  'a beam search': { numBeams: 3, numReturn: 2 },
})) {
  test(`${name}: cancelled during a step, it takes part in one more at most and its blocks are free`, async () => {
    const { executor, engine, start, post, assertIdle } = aheadEngine()
    const other = start({ prompt: [9], parameters: greedy(30) })
    const { id, outcome, done } = start({ prompt: Array(9).fill(4), parameters: { ...parameters, maxTokens: 40 } })
    let heard = 0
    executor.beforeStep = () => {
      if (executor.steps.length !== 10) return
      heard = outcome.events.length
      post({ type: 'cancel', id })
    }
    await done
    assert(outcome.events.slice(heard).every(({ type }) => type === 'finish'))
    assert(outcome.choices.every(({ reason }) => reason === 'cancelled'))
    assert(engine.stats().blocks - engine.stats().freeBlocks <= 3, 'what is held is the other’s')
    await other.done
    const taken = executor.steps.map(({ contextLengths }) => contextLengths.length)
    assert(taken.slice(11).every((sequences) => sequences === 1))
    assertIdle()
  })
}

test('nobody is preempted while a step is under way that may make room', async () => {
  // When the second needs its last block the first has ended, but for its step.
  const { run, engine, assertIdle } = aheadEngine({ blocks: 5, blockSize: 2, maxSequences: 2 })
  const sketches = [
    { prompt: [1, 1, 1], parameters: greedy(3) },
    { prompt: [2, 2], parameters: greedy(7) },
  ]
  const outcomes = await Promise.all(sketches.map(run))
  for (const [i, outcome] of outcomes.entries()) assert.deepEqual(answer(outcome), await plain(sketches[i]!))
  assert.equal(engine.stats().preemptions, 0)
  assertIdle()
})

test('when blocks run out the latest request makes room, and goes on where it was', async () => {
  const sketches = [1, 2, 3].map((id) => ({ prompt: [id, id], parameters: { maxTokens: 26, logprobs: 1 } }))
  const { run, ahead, assertIdle } = aheadEngine({ blocks: 14, blockSize: 4 })
  const outcomes = await Promise.all(sketches.map(run))
  for (const [i, outcome] of outcomes.entries()) assert.deepEqual(answer(outcome), await plain(sketches[i]!))
  assert(outcomes[2]!.usage!.preemptions > 0)
  assert(ahead.tokensFromDevice > 60)
  assertIdle()
})

test('when a step fails so does the one behind it, every request with them, and the engine goes on with new ones', async () => {
  for (const delays of [[0], [3], [0, 2]]) {
    const { executor, ahead, run, assertIdle } = aheadEngine({}, delays)
    const sketch = { prompt, parameters: greedy(12) }
    executor.beforeStep = () => {
      if (executor.steps.length === 4) throw new WarplineError('out-of-memory', 'the device is gone')
    }
    const outcomes = await Promise.all([run(sketch), run({ prompt: [7], session: 's', parameters: greedy(9) })])
    for (const { failure } of outcomes) assert.equal(failure!.code, 'out-of-memory')
    assert.equal(executor.steps.length, 4, 'the step behind it was not computed')
    assert.equal(ahead.idsFrom.length, 5, 'but handed over')
    assertIdle()
    assert.deepEqual(answer(await run(sketch)), await plain(sketch))
    assertIdle()
  }
})

test('a step that is refused while another is under way waits for that one’s end', async () => {
  const { executor, ahead, run, assertIdle } = aheadEngine({}, [3])
  const step = ahead.step.bind(ahead)
  let calls = 0
  ahead.step = (inputs) => {
    if (++calls === 3) throw new TypeError('x is not a function')
    return step(inputs)
  }
  const { failure } = await run({ prompt, parameters: greedy(12) })
  assert.equal(failure!.code, 'executor-failed')
  assert.equal(executor.steps.length, 2)
  assert.equal((await run({ prompt, parameters: greedy(12) })).choices[0]!.ids.length, 12)
  assertIdle()
})

test('closing lets both steps end, fails what is open and refuses what comes', async () => {
  const { executor, ahead, start, engine, assertIdle } = aheadEngine({ maxSequences: 1 }, [2])
  const open = [start({ parameters: greedy(50) }), start({ parameters: greedy(50) })]
  let closing: Promise<void> | undefined
  executor.beforeStep = async () => {
    if (executor.steps.length === 3) closing = engine.close()
    await setImmediate()
    assert(!executor.closed)
  }
  for (const { done } of open) assert.equal((await done).failure!.code, 'engine-closed')
  await closing
  assert(executor.closed)
  assert.equal(executor.steps.length, 4)
  assert.equal(ahead.idsFrom.length, 4)
  assert.equal(open[0]!.outcome.choices[0]!.ids.length, 4)
  assert.equal((await start({}).done).failure!.code, 'engine-closed')
  assertIdle()
})

test('timers have their turn while an executor answers at once', async () => {
  const most = 20_000
  let steps = 0
  const executor: Executor = {
    memory: { weights: 0, cache: 0, activations: 0 },
    stepsAhead: 1,
    step: () => {
      if (++steps === 1) setTimeout(() => post({ type: 'cancel', id }), 1)
      return Promise.resolve({ sampled: [{ ...NOTHING_CHOSEN, token: 7 }] })
    },
    close: async () => {},
  }
  const { start, post } = harness(executor, { ...FAKE_SHAPE, blocks: most, contextLength: most + 1 })
  const { id, done } = start({ parameters: greedy(most) })
  const { choices } = await done
  assert.equal(choices[0]!.reason, 'cancelled')
  assert(steps < most)
})

const NOTHING_CHOSEN: SampledRow = {
  ...{ token: -1, logprob: Number.NaN, rank: 0, topIds: new Int32Array(0), topLogprobs: new Float32Array(0) },
  ...{ candidateIds: new Int32Array(0), candidateLogprobs: new Float32Array(0) },
}
