import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type GenerateOptions, isWarplineError, LLM, type Part } from '../../src/index.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'

const MODEL = join(import.meta.dirname, '../golden/models/llama')
const golden: { prompts: number[][]; greedy: number[][] } = JSON.parse(readFileSync(join(MODEL, 'golden.json'), 'utf8'))
const [, , short, , long] = golden.prompts as [number[], number[], number[], number[], number[]]
const GREEDY: GenerateOptions = { maxTokens: 24, temperature: 0, ignoreEos: true }

let llm: LLM
before(async () => {
  llm = await LLM.load(MODEL, { device: 'reference' })
})
after(() => llm.close())

async function rejectsWith(code: string, message: RegExp, run: () => PromiseLike<unknown>): Promise<void> {
  await assert.rejects(
    async () => await run(),
    (error) => isWarplineError(error) && error.code === code && message.test(error.message),
  )
}

test('awaiting a generation gives the whole result', async () => {
  const result = await llm.generate(short, GREEDY)
  assert.deepEqual(result.choices[0]!.tokenIds, golden.greedy[2])
  assert.equal(result.choices[0]!.finishReason, 'length')
  assert.deepEqual(result.usage, { promptTokens: 7, completionTokens: 24, totalTokens: 31, cachedTokens: 0 })
  assert.ok(result.timing.totalMs >= result.timing.timeToFirstTokenMs)
})

test('iterating over a generation gives the same tokens, and the finish reason on the last part', async () => {
  const parts: Part[] = []
  for await (const part of llm.generate(short, GREEDY)) parts.push(part)
  assert.deepEqual(
    parts.flatMap((part) => part.tokenIds),
    golden.greedy[2],
  )
  assert.deepEqual(parts.map((part) => part.finishReason).filter(Boolean), ['length'])
  assert.equal(parts.at(-1)!.finishReason, 'length')
})

test('a generation can be streamed and then awaited', async () => {
  const generation = llm.generate(short, GREEDY)
  const streamed: number[] = []
  for await (const part of generation) streamed.push(...part.tokenIds)
  assert.deepEqual((await generation).choices[0]!.tokenIds, streamed)
})

test('an array of prompts resolves to an array of results, and its parts name their prompt', async () => {
  const generation = llm.generate([short, long], GREEDY)
  const streamed: number[][] = [[], []]
  for await (const part of generation) streamed[part.prompt]!.push(...part.tokenIds)
  assert.deepEqual(streamed, [golden.greedy[2], golden.greedy[4]])
  assert.deepEqual(
    (await generation).map((result) => result.choices[0]!.tokenIds),
    streamed,
  )
})

test('concurrent calls share batches', async () => {
  const start = llm.stats().steps
  await Promise.all(golden.prompts.map((prompt) => llm.generate(prompt, GREEDY)))
  assert.ok(llm.stats().steps - start < 2 * 24, `${llm.stats().steps - start} steps`)
})

test('n choices are different samples, the same again for the same seed', async () => {
  const options = { maxTokens: 12, n: 3, temperature: 1, seed: 11, ignoreEos: true }
  const [first, again] = await Promise.all([llm.generate(short, options), llm.generate(short, options)])
  const tokens = first.choices.map((choice) => choice.tokenIds)
  assert.equal(new Set(tokens.map(String)).size, 3)
  assert.deepEqual(
    again.choices.map((choice) => choice.tokenIds),
    tokens,
  )
})

test('sampling options without a temperature sample', async () => {
  const draws = await Promise.all(
    [1, 2, 3, 4].map((seed) => llm.generate(short, { ...GREEDY, temperature: undefined, topK: 50, seed })),
  )
  assert.ok(new Set(draws.map((result) => String(result.choices[0]!.tokenIds))).size > 1)
})

test('leaving a loop early cancels the request and frees its blocks', async () => {
  for await (const _ of llm.generate(short, { ...GREEDY, maxTokens: 200 })) break
  await new Promise((resolve) => setTimeout(resolve, 50))
  const { running, waiting, blocks, freeBlocks } = llm.stats()
  assert.deepEqual([running, waiting, freeBlocks], [0, 0, blocks])
})

test('an aborted request resolves with what it has, as cancelled', async () => {
  const controller = new AbortController()
  const generation = llm.generate(short, { ...GREEDY, maxTokens: 200, signal: controller.signal })
  let parts = 0
  for await (const _ of generation) if (++parts === 3) controller.abort()
  const [choice] = (await generation).choices
  assert.equal(choice!.finishReason, 'cancelled')
  assert.ok(choice!.tokenIds.length >= 3 && choice!.tokenIds.length < 200)
  const { choices } = await llm.generate(short, { ...GREEDY, signal: AbortSignal.abort() })
  assert.equal(choices[0]!.finishReason, 'cancelled')
})

test('log-probabilities come with the tokens and add up', async () => {
  const { choices, promptLogprobs } = await llm.generate(short, { ...GREEDY, logprobs: 2, promptLogprobs: true })
  const { logprobs, cumulativeLogprob } = choices[0]!
  assert.deepEqual(
    logprobs!.map(({ tokenId }) => tokenId),
    golden.greedy[2],
  )
  for (const { tokenId, logprob, rank, top } of logprobs!) {
    assert.equal(rank, 1)
    assert.equal(top.length, 2)
    assert.deepEqual([top[0]!.tokenId, top[0]!.logprob], [tokenId, logprob])
  }
  const sum = logprobs!.reduce((total, { logprob }) => total + logprob, 0)
  assert.ok(Math.abs(sum - cumulativeLogprob!) < 1e-9)
  assert.equal(promptLogprobs![0], undefined)
  assert.deepEqual(
    promptLogprobs!.slice(1).map((entry) => entry!.tokenId),
    short.slice(1),
  )
})

test('a score adds up the log-probabilities of a text', async () => {
  const score = await llm.score(long)
  assert.equal(score.tokens, long.length - 1)
  const { promptLogprobs } = await llm.generate(long, { ...GREEDY, maxTokens: 1, promptLogprobs: 0 })
  const sum = promptLogprobs!.slice(1).reduce((total, entry) => total + entry!.logprob, 0)
  assert.equal(score.logLikelihood, sum)
  assert.equal(score.perplexity, Math.exp(-sum / score.tokens))
})

test('a text that fills the whole context can be scored', async () => {
  const text = Array.from({ length: llm.info.contextLength }, (_, i) => (i * 7) % 300)
  assert.equal((await llm.score(text)).tokens, llm.info.contextLength - 1)
  await rejectsWith('context-too-long', /257.*256/, () => llm.score([...text, 1]))
})

test('the hidden states of the prompt have one row a token', async () => {
  const { hiddenStates } = await llm.generate(short, { ...GREEDY, maxTokens: 1, hiddenStates: true })
  assert.equal(hiddenStates!.length, short.length)
  assert.equal(hiddenStates![0]!.length, 96)
  assert.notDeepEqual(hiddenStates![0], hiddenStates![1])
})

test('a soft prompt of token embeddings does what the tokens do', async () => {
  const checkpoint = await openCheckpoint(MODEL)
  const table = await checkpoint.readFloat32('model.embed_tokens.weight')
  await checkpoint.close()
  const softPrompt = short.slice(0, 4).map((id) => table.subarray(id * 96, (id + 1) * 96))
  const { choices, usage } = await llm.generate(short.slice(4), { ...GREEDY, softPrompt })
  assert.deepEqual(choices[0]!.tokenIds, golden.greedy[2])
  assert.equal(usage.promptTokens, short.length)
  await rejectsWith('soft-prompt-invalid', /row 0.*96/, () => llm.generate(short, { softPrompt: [[1, 2]] }))
})

test('a session continues on its cache', async () => {
  const first = await llm.generate(long, { ...GREEDY, session: 'talk' })
  const whole = [...long, ...first.choices[0]!.tokenIds, 5, 6]
  const [continued, fresh] = await Promise.all([
    llm.generate(whole, { ...GREEDY, session: 'talk' }),
    llm.generate(whole, GREEDY),
  ])
  assert.ok(continued.usage.cachedTokens >= long.length)
  assert.deepEqual(continued.choices[0]!.tokenIds, fresh.choices[0]!.tokenIds)
  llm.endSession('talk')
  const again = await llm.generate(whole, { ...GREEDY, session: 'talk' })
  assert.equal(again.usage.cachedTokens, 0)
  llm.endSession('talk')
})

test('beam search returns the n best hypotheses with their scores', async () => {
  const { choices } = await llm.generate(short, { numBeams: 4, n: 2, maxTokens: 8, ignoreEos: true })
  assert.equal(choices.length, 2)
  assert.ok(choices[0]!.score! >= choices[1]!.score!)
})

test('mistakes in options are typed errors that name the option and what is allowed', async () => {
  const bad: [GenerateOptions | object, string, RegExp][] = [
    [{ maxToken: 3 }, 'option-unknown', /did you mean maxTokens/],
    [{ maxTokens: 0 }, 'parameter-invalid', /maxTokens is 0/],
    [{ maxTokens: -1 }, 'parameter-invalid', /maxTokens/],
    [{ temperature: Number.NaN }, 'option-invalid', /temperature/],
    [{ temperature: -1 }, 'parameter-invalid', /temperature/],
    [{ topP: 1.5 }, 'parameter-invalid', /topP/],
    [{ topK: 2.5 }, 'parameter-invalid', /topK/],
    [{ seed: 1.5 }, 'parameter-invalid', /seed/],
    [{ n: 1000 }, 'parameter-invalid', /n is 1000/],
    [{ logitBias: { 99999: 1 } }, 'parameter-invalid', /logitBias/],
    [{ stop: 'x' }, 'tokenizer-missing', /stopTokenIds/],
    [{ logprobs: -1 }, 'parameter-invalid', /logprobs/],
    [{ numBeams: 2, n: 3 }, 'parameter-invalid', /n is 3.*2/],
    [{ stop: 5 }, 'option-invalid', /stop/],
    [{ badWords: ['x'] }, 'tokenizer-missing', /badWordsIds/],
  ]
  for (const [options, code, message] of bad) {
    await rejectsWith(code, message, () => llm.generate(short, options as GenerateOptions))
  }
})

test('mistakes in prompts are typed errors', async () => {
  await rejectsWith('prompt-empty', /empty/, () => llm.generate([], GREEDY))
  await rejectsWith('prompt-empty', /no token ids/, () => llm.generate([[]], GREEDY))
  await rejectsWith('tokenizer-missing', /token ids/, () => llm.generate('text', GREEDY))
  await rejectsWith('prompt-invalid', /-1/, () => llm.generate([3, -1], GREEDY))
  await rejectsWith('token-out-of-range', /300/, () => llm.generate([3, 300], GREEDY))
  const tooLong = Array.from({ length: 300 }, () => 5)
  await rejectsWith('context-too-long', /300.*256/, () => llm.generate(tooLong, GREEDY))
  const { usage } = await llm.generate(tooLong, { ...GREEDY, truncate: 'left' })
  assert.equal(usage.promptTokens, 256 - 24)
})

test('one bad prompt of several starts none', async () => {
  const { steps } = llm.stats()
  await rejectsWith('prompt-invalid', /-5/, () => llm.generate([short, [-5]], GREEDY))
  assert.equal(llm.stats().steps, steps)
})

test('a closed model says so', async () => {
  const other = await LLM.load(MODEL, { device: 'reference' })
  const running = other.generate(short, { ...GREEDY, maxTokens: 200 })
  await other.close()
  await rejectsWith('engine-closed', /load/, () => running)
  await rejectsWith('model-closed', /load/, () => other.generate(short, GREEDY))
  await other.close()
})
