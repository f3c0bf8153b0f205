import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Engine } from '../../src/engine/engine.js'
import { DEFAULT_SAMPLING } from '../../src/engine/sampling-parameters.js'
import { FakeExecutor } from './support/fake-executor.js'
import { FAKE_SHAPE, fakeEngine, type RequestSketch } from './support/harness.js'

async function refusal(sketch: RequestSketch, options = {}): Promise<string> {
  const { run, executor, assertIdle } = fakeEngine(options)
  const { failure, events } = await run(sketch)
  assert.equal(events.length, 1, 'nothing but the failure is heard')
  assert.equal(executor.steps.length, 0, 'it is refused before it starts')
  assertIdle()
  return `${failure!.code}: ${failure!.message}`
}

test('a prompt longer than the context is refused, with both lengths', async () => {
  const message = await refusal({ prompt: Array(65).fill(1) }, { contextLength: 64 })
  assert.match(message, /^context-too-long: .*65 tokens .* 64;/)
})

test('a prompt that fills the context has no room for output, but can be scored', async () => {
  const prompt = Array(64).fill(1)
  assert.match(await refusal({ prompt }, { contextLength: 64 }), /^context-too-long: .*no room/)
  const { run, assertIdle } = fakeEngine({ contextLength: 64 })
  const { choices, prompt: report } = await run({ prompt, parameters: { maxTokens: 0, promptLogprobs: 0 } })
  assert.equal(report!.logprobs!.length, 64)
  assert.deepEqual(choices, [{ ids: [], logprobs: [], reason: 'length' }])
  assertIdle()
})

test('output ends with the context', async () => {
  const { run, assertIdle } = fakeEngine({ contextLength: 20 })
  const { choices } = await run({ prompt: [1, 2, 3], parameters: { maxTokens: 1000 } })
  assert.equal(choices[0]!.ids.length, 17)
  assert.equal(choices[0]!.reason, 'length')
  assertIdle()
})

test('what can never fit the cache is refused, with what it needs and what there is', async () => {
  const options = { blocks: 6, blockSize: 4 }
  const prompt = Array(10).fill(1)
  assert.match(
    await refusal({ prompt, parameters: { maxTokens: 16 } }, options),
    /^cache-too-small: 10 prompt and 16 output tokens need 7 cache blocks of 4 tokens, and there are 6;/,
  )
  assert.match(
    await refusal({ prompt, parameters: { maxTokens: 8, n: 2 } }, options),
    /^cache-too-small: 2 sequences of 10 prompt and 8 output tokens need 8 /,
  )
  assert.match(await refusal({ prompt, parameters: { maxTokens: 4, numBeams: 5 } }, options), /^cache-too-small/)
})

test('what just fits the cache runs, to the last token', async () => {
  const prompt = Array(10).fill(1)
  for (const parameters of [
    { maxTokens: 15 },
    { maxTokens: 7, n: 2, temperature: 1 },
    { maxTokens: 7, numBeams: 2, numReturn: 2 },
    { maxTokens: 1, n: 5, temperature: 1 },
  ]) {
    const { run, assertIdle } = fakeEngine({ blocks: 6, blockSize: 4 })
    const { choices, failure } = await run({ prompt, parameters })
    assert.equal(failure, undefined)
    for (const { ids } of choices) assert.equal(ids.length, parameters.maxTokens)
    assertIdle()
  }
})

test('more samples or beams than sequences are refused', async () => {
  for (const parameters of [{ n: 9 }, { numBeams: 9 }]) {
    assert.match(await refusal({ parameters }), /^too-many-choices: 9 .* 8 sequences/)
  }
})

test('prompts that mean nothing to the model are refused', async () => {
  assert.match(await refusal({ prompt: [] }), /^prompt-empty/)
  for (const id of [23, -2, 1.5, Number.NaN]) {
    assert.match(await refusal({ prompt: [1, id] }), /^token-out-of-range: .*0 to 22/)
  }
  assert.match(await refusal({ prompt: [1, -1] }), /^soft-prompt-invalid/)
  assert.match(await refusal({ prompt: [-1], softRows: new Float32Array(4) }), /^soft-prompt-invalid/)
})

test('parameters that would never end are refused', async () => {
  for (const parameters of [{ maxTokens: Number.NaN }, { maxTokens: -1 }, { n: 0 }, { n: 2, numBeams: 2 }]) {
    assert.match(await refusal({ parameters }), /^parameter-invalid/)
  }
})

test('an id that is in use is refused, and whoever uses it goes on', async () => {
  const engine = new Engine(new FakeExecutor(FAKE_SHAPE), FAKE_SHAPE)
  const heard: string[] = []
  const ended = new Promise<void>((resolve) => {
    engine.onEvent((event) => {
      heard.push(event.type === 'failure' ? event.code : event.type)
      if (event.type === 'finish') resolve()
    })
  })
  const request = { id: 'x', prompt: [1], parameters: { ...DEFAULT_SAMPLING, maxTokens: 2 } }
  engine.post({ type: 'add', request })
  engine.post({ type: 'add', request })
  await ended
  assert.deepEqual(heard, ['request-duplicate', 'tokens', 'tokens', 'finish'])
  await engine.close()
})
