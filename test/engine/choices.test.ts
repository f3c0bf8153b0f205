import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SamplingParameters } from '../../src/engine/sampling-parameters.js'
import { answer, fakeEngine } from './support/harness.js'

const prompt = [3, 1, 4, 1, 5]

async function ids(parameters: Partial<SamplingParameters>): Promise<number[][]> {
  const { choices } = await fakeEngine().run({ prompt, parameters })
  return choices.map((choice) => choice.ids)
}

test('the same seed gives the same tokens, another seed others', async () => {
  const drawn = (seed: bigint) => ids({ temperature: 1, maxTokens: 12, seed })
  assert.deepEqual(await drawn(7n), await drawn(7n))
  assert.notDeepEqual(await drawn(7n), await drawn(8n))
  assert.notDeepEqual(await drawn(7n), await drawn(7n + 2n ** 40n), 'all 64 bits of a seed count')
})

test('sample i is the same however many are drawn beside it', async () => {
  const parameters = { temperature: 1, maxTokens: 12, seed: 5n }
  const five = await ids({ ...parameters, n: 5 })
  assert.deepEqual(await ids({ ...parameters, n: 3 }), five.slice(0, 3))
  assert.equal(new Set(five.map(String)).size, 5)
})

test('a stop id ends a choice, stands last, and is named', async () => {
  const parameters = { temperature: 1, maxTokens: 30, n: 4, seed: 3n }
  const whole = await ids(parameters)
  const stopIds = [2, 9, 13, 17, 20]
  const { choices } = await fakeEngine({ blocks: 128 }).run({ prompt, parameters: { ...parameters, stopIds } })
  for (const [i, choice] of choices.entries()) {
    const end = whole[i]!.findIndex((id) => stopIds.includes(id))
    assert(end >= 0)
    assert.deepEqual(choice.ids, whole[i]!.slice(0, end + 1))
    assert.deepEqual([choice.reason, choice.stopId], ['stop', whole[i]![end]])
  }
})

test('before the minimum length no stop id is chosen, from it on they are', async () => {
  const stopIds = Array.from({ length: 20 }, (_, id) => id)
  for (const parameters of [{}, { temperature: 1 }, { numBeams: 3, numReturn: 3 }]) {
    const { choices } = await fakeEngine().run({
      prompt,
      parameters: { ...parameters, stopIds, minTokens: 6, maxTokens: 20 },
    })
    for (const { ids, reason } of choices) {
      assert(ids.slice(0, 6).every((id) => id >= 20))
      assert(ids.length > 6 && ids.length < 20 && reason === 'stop')
    }
  }
})

test('every sampling parameter reaches the row', async () => {
  const { run, executor } = fakeEngine()
  const parameters = {
    ...{ maxTokens: 3, minTokens: 2, temperature: 0.5, topK: 4, topP: 0.9, minP: 0.05 },
    ...{ repetitionPenalty: 1.2, presencePenalty: 0.3, frequencyPenalty: 0.4, noRepeatNgramSize: 3 },
    ...{ badWordsIds: [[1, 2], [3]], suppressIds: [7], stopIds: [8], seed: 2n ** 32n + 9n, logprobs: 2 },
    logitBias: new Map([[5, -0.5]]),
  }
  const { choices } = await run({ prompt, parameters })
  const [first, , third] = executor.steps.map(({ sampling }) => sampling[0]!)
  const { history, biasIds, biasValues, banned, ...rest } = first!
  assert.deepEqual(rest, {
    ...{ mode: 'draw', temperature: 0.5, topK: 4, topP: 0.9, minP: 0.05, repetitionPenalty: 1.2, presencePenalty: 0.3 },
    ...{ frequencyPenalty: 0.4, promptLength: 5, badWords: [[1, 2], [3]], noRepeatNgram: 3, seedLow: 9, seedHigh: 1 },
    ...{ position: 5, sampleIndex: 0, candidates: 0, topLogprobs: 2, logprobs: true, target: -1 },
  })
  assert.deepEqual([[...history], [...biasIds], [...biasValues]], [prompt, [5], [-0.5]])
  assert.deepEqual([[...banned].sort(), [...third!.banned]], [[7, 8], [7]])
  assert.deepEqual(
    [[...third!.history], third!.promptLength, third!.position],
    [[...prompt, ...choices[0]!.ids.slice(0, 2)], 5, 7],
  )
})

test('top-p decays with each token, down to its minimum, and starts again at a reset token, sample by sample', async () => {
  const { run, executor } = fakeEngine()
  const topPResetIds = [0, 1, 2, 3, 4, 5]
  const parameters = { n: 2, temperature: 1, topP: 0.8, topPDecay: 0.5, topPMin: 0.15, topPResetIds, maxTokens: 12 }
  const { choices } = await run({ prompt, parameters })
  const rows = executor.steps.flatMap(({ sampling }) => sampling)
  let resets = 0
  for (const [index, choice] of choices.entries()) {
    let topP = 0.8
    const used = rows.filter((row) => row.sampleIndex === index).map((row) => row.topP)
    for (const [i, id] of choice.ids.entries()) {
      assert.equal(used[i], topP)
      if (topPResetIds.includes(id)) resets++
      topP = topPResetIds.includes(id) ? 0.8 : Math.max(topP * 0.5, 0.15)
    }
  }
  assert(resets > 0 && resets < 24)
})

test('log-probabilities come with their sum', async () => {
  const { run } = fakeEngine()
  for (const parameters of [
    { n: 2, temperature: 1 },
    { numBeams: 3, numReturn: 3 },
  ]) {
    const { choices } = await run({ prompt, parameters: { ...parameters, maxTokens: 8, logprobs: 3 } })
    for (const { ids, logprobs, cumulativeLogprob } of choices) {
      assert.deepEqual(
        logprobs.map(({ id }) => id),
        ids,
      )
      assert(
        logprobs.every(
          ({ top, rank, logprob }) => top.length === 3 && (rank > 3 || top[rank - 1]!.logprob === logprob),
        ),
      )
      const sum = logprobs.reduce((total, { logprob }) => total + logprob, 0)
      assert(Math.abs(cumulativeLogprob! - sum) < 1e-9)
    }
  }
})

test('a beam’s score is that of its tokens, scored one by one', async () => {
  const { run } = fakeEngine()
  const { choices } = await run({
    prompt,
    parameters: { numBeams: 4, numReturn: 4, maxTokens: 7, lengthPenalty: 2, stopIds: [6], logprobs: 0 },
  })
  assert.equal(new Set(choices.map(({ ids }) => ids.join())).size, 4)
  assert.deepEqual(
    choices.map(({ score }) => score),
    choices.map(({ score }) => score!).sort((a, b) => b - a),
  )
  for (const { ids, logprobs, score } of choices) {
    const scored = await run({ prompt: [...prompt, ...ids], parameters: { maxTokens: 0, promptLogprobs: 0 } })
    const expected = scored.prompt!.logprobs!.slice(prompt.length).map((entry) => entry!.logprob)
    assert.deepEqual(
      logprobs.map(({ logprob }) => logprob),
      expected,
    )
    const sum = expected.reduce((total, logprob) => total + logprob, 0)
    assert(Math.abs(score! - sum / ids.length ** 2) < 1e-5)
  }
})

test('without log-probabilities none are computed or told', async () => {
  const { run, executor } = fakeEngine()
  const { events } = await run({ prompt, parameters: { maxTokens: 3 } })
  assert(executor.steps.every(({ sampling }) => sampling.every((row) => !row.logprobs && row.topLogprobs === 0)))
  assert(
    events.every((event) => event.type !== 'tokens' || (!('logprobs' in event) && !('cumulativeLogprob' in event))),
  )
})

test('usage counts the prompt once and the tokens of all choices', async () => {
  const { usage } = await fakeEngine().run({ prompt, parameters: { n: 3, temperature: 1, maxTokens: 4 } })
  assert.deepEqual([usage!.promptTokens, usage!.completionTokens, usage!.cachedTokens], [5, 12, 0])
  assert(usage!.queuedMs <= usage!.promptMs)
  const beams = await fakeEngine().run({ prompt, parameters: { numBeams: 3, numReturn: 2, maxTokens: 4 } })
  assert.equal(beams.usage!.completionTokens, 8)
})

test('beams are only heard at the end, all at once', async () => {
  const { run, executor } = fakeEngine()
  const outcome = await run({ prompt, parameters: { numBeams: 2, numReturn: 2, maxTokens: 5 } })
  assert.equal(executor.steps.length, 5)
  assert.deepEqual(
    outcome.events.map(({ type }) => type),
    ['tokens', 'finish', 'tokens', 'finish'],
  )
  assert.deepEqual(
    answer(outcome).choices.map(({ reason }) => reason),
    ['length', 'length'],
  )
})
