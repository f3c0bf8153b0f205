import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { FORMS, randomModel } from '../support/random-model.js'
import { startReference } from '../support/run-reference.js'
import { stepInputs } from '../support/steps.js'
import { answer, fakeEngine } from './support/harness.js'
import { engineOn } from './support/model-engine.js'

const prompt = Array.from({ length: 21 }, (_, i) => (i * i) % 23)

test('a prompt’s log-probabilities are those that its beginnings give to the next token', async () => {
  const { run, assertIdle } = fakeEngine({ maxTokens: 9, maxRows: 9, maxSequences: 4 })
  const outcome = await run({ prompt, parameters: { promptLogprobs: 2, maxTokens: 2, n: 3, temperature: 1 } })
  const logprobs = outcome.prompt!.logprobs!
  assert.equal(logprobs.length, prompt.length)
  assert.equal(logprobs[0], undefined)
  for (let i = 1; i < prompt.length; i++) {
    const beginning = await run({ prompt: prompt.slice(0, i), parameters: { maxTokens: 1, logprobs: 23 } })
    const { top } = beginning.choices[0]!.logprobs[0]!
    const rank = top.findIndex(({ id }) => id === prompt[i]) + 1
    assert.deepEqual(logprobs[i], { id: prompt[i], logprob: top[rank - 1]!.logprob, rank, top: top.slice(0, 2) })
  }
  assert.equal(outcome.events[0]!.type, 'prompt', 'it comes before the first token')
  assertIdle()
})

test('scoring prompts side by side keep to the rows of a step and all come through', async () => {
  const { run, executor, assertIdle } = fakeEngine({ maxTokens: 20, maxRows: 4, maxSequences: 4 })
  const sketch = { prompt, parameters: { promptLogprobs: 0, maxTokens: 3 } }
  const alone = answer(await fakeEngine().run(sketch))
  const outcomes = await Promise.all([
    run(sketch),
    run({ prompt: [1], parameters: { maxTokens: 20 } }),
    run(sketch),
    run({ prompt: [1], parameters: { maxTokens: 20 } }),
  ])
  assert.deepEqual(answer(outcomes[0]!), alone)
  assert.deepEqual(answer(outcomes[2]!), alone)
  assert(executor.steps.every(({ rows }) => rows.length <= 4))
  assertIdle()
})

test('a prompt that is preempted while it is scored is reported once, as if nothing had happened', async () => {
  const sketch = { prompt, parameters: { promptLogprobs: 1, hiddenStates: true, maxTokens: 4 } }
  const expected = answer(await fakeEngine().run(sketch))
  const { run, assertIdle } = fakeEngine({ blocks: 9, maxTokens: 3, maxRows: 3, maxSequences: 3 })
  const [, outcome] = await Promise.all([run({ prompt: [1, 2], parameters: { maxTokens: 30 } }), run(sketch)])
  assert(outcome!.usage!.preemptions > 0)
  assert.deepEqual(answer(outcome!), expected)
  assertIdle()
})

test('hidden states of the prompt are the model’s, whatever the chunks', async () => {
  const { spec, weights } = randomModel(FORMS['serial, gated, grouped heads, rms'])
  const program = lower(spec, REFERENCE_LOWERING)
  const executor = await startReference(program, weights)
  const { hidden: expected } = await executor.step(
    stepInputs([{ ids: prompt, cached: 0, blocks: [3, 1] }], { blockSize: 16 }),
  )
  const model = { spec, program, executor, blockSize: 16, blocks: 16 }
  for (const maxTokens of [5, 64]) {
    const { run } = engineOn(model, { maxTokens, maxSequences: 4, maxRows: 5 })
    const outcomes = await Promise.all(
      [{ maxTokens: 0 }, { maxTokens: 3 }, { maxTokens: 3, numBeams: 2 }].map((parameters) =>
        run({ prompt, parameters: { ...parameters, hiddenStates: true } }),
      ),
    )
    for (const { prompt: report } of outcomes) assert.deepEqual(report!.hiddenStates, expected)
  }
  await executor.close()
})

test('a soft prompt of the table’s own rows is the prompt of their ids', async () => {
  const { spec, weights } = randomModel(FORMS['post-norm, projected embedding'])
  const executor = await startReference(lower(spec, REFERENCE_LOWERING), weights)
  const model = { spec, program: lower(spec, REFERENCE_LOWERING), executor, blockSize: 16, blocks: 16 }
  const { table, width } = spec.embedding
  const ids = [40, 7, 23, 11, 60, 2]
  const soft = [1, 3, 4]
  const softRows = new Float32Array(soft.length * width)
  for (const [i, place] of soft.entries()) softRows.set(await weights.readRows(table, ids[place]!, 1), i * width)
  const parameters = { maxTokens: 8, logprobs: 2, n: 2, temperature: 1 }
  for (const maxTokens of [4, 32]) {
    const { run, assertIdle } = engineOn(model, { maxTokens, maxSequences: 4, maxRows: 4 })
    const [spelt, softened] = await Promise.all([
      run({ prompt: ids, parameters }),
      run({ prompt: ids.map((id, i) => (soft.includes(i) ? -1 : id)), softRows, parameters }),
    ])
    assert.deepEqual(answer(softened!), answer(spelt!))
    assertIdle()
  }
  await executor.close()
})

test('soft rows themselves have no log-probability', async () => {
  const { run } = fakeEngine()
  const softRows = Float32Array.from({ length: 6 }, (_, i) => i)
  const outcome = await run({ prompt: [-1, 5, -1, 6], softRows, parameters: { promptLogprobs: 0, maxTokens: 1 } })
  assert.deepEqual(
    outcome.prompt!.logprobs!.map((entry) => entry?.id),
    [undefined, 5, undefined, 6],
  )
})
