import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type EngineCrash, isWarplineError, LLM } from '../../src/index.js'

const MODEL = join(import.meta.dirname, '../golden/models/llama')
const crashes: EngineCrash[] = []
let llm: LLM
let plain: LLM
before(async () => {
  const options = { device: 'reference', maxSequences: 8 } as const
  plain = await LLM.load(MODEL, options)
  llm = await LLM.load(MODEL, { ...options, worker: true, onEngineCrash: (crash) => crashes.push(crash) })
})
after(async () => {
  await llm.close()
  await plain.close()
})

/** What the engine's thread is, for tests that end it. */
function thread(): { terminate(): Promise<number> } {
  return (llm as unknown as { model: { engine: { live: { worker: { terminate(): Promise<number> } } } } }).model.engine
    .live.worker
}

test('an engine in its own thread gives the same answers', async () => {
  const prompts = [[1, 2, 3], [4, 5], [6]]
  const options = { maxTokens: 12, temperature: 1, seed: 5n, n: 2, logprobs: 2, ignoreEos: true }
  const [here, there] = await Promise.all([plain.generate(prompts, options), llm.generate(prompts, options)])
  assert.deepEqual(
    there.map(({ choices }) => choices),
    here.map(({ choices }) => choices),
  )
  assert.deepEqual({ ...llm.info, memory: 0 }, { ...plain.info, memory: 0 })
})

test('soft prompts, hidden states and scores pass between the threads', async () => {
  const row = new Float32Array(llm.info.hidden).fill(0.1)
  const options = { maxTokens: 2, softPrompt: [row], hiddenStates: true, temperature: 0 }
  const [here, there] = [await plain.generate([1, 2], options), await llm.generate([1, 2], options)]
  assert.deepEqual(there.hiddenStates, here.hiddenStates)
  assert.deepEqual(await llm.score([1, 2, 3, 4]), await plain.score([1, 2, 3, 4]))
  assert.deepEqual(await llm.embed([[1, 2, 3]]), await plain.embed([[1, 2, 3]]))
})

test('a cancelled request frees its blocks in the other thread', async () => {
  const generation = llm.generate([1, 2, 3], { maxTokens: 40, ignoreEos: true })
  for await (const _ of generation) break
  const { choices } = await generation
  assert.equal(choices[0]!.finishReason, 'cancelled')
  const { blocks, freeBlocks, running } = llm.stats()
  assert.deepEqual([freeBlocks, running], [blocks, 0])
})

test('when the thread fails, open requests fail, and it is started again', async () => {
  const before = llm.stats()
  const open = [1, 2, 3].map((id) => llm.generate([id], { maxTokens: 40, ignoreEos: true }))
  const outcomes = Promise.allSettled(open)
  await thread().terminate()
  for (const outcome of await outcomes) {
    assert.ok(outcome.status === 'rejected' && isWarplineError(outcome.reason))
    assert.equal(outcome.reason.code, 'engine-crashed')
  }
  assert.equal(llm.ready, false)
  assert.equal(crashes.length, 1)
  assert.ok(crashes[0]!.restartMs > 0)
  await assert.rejects(
    async () => await llm.generate([1], {}),
    (error) => isWarplineError(error) && error.code === 'engine-restarting',
  )
  while (!llm.ready) await new Promise((resolve) => setTimeout(resolve, 10))
  const options = { maxTokens: 8, temperature: 0, ignoreEos: true }
  assert.equal((await llm.generate([1, 2], options)).text, (await plain.generate([1, 2], options)).text)
  assert.equal(llm.stats().restarts, 1)
  assert.ok(llm.stats().steps >= before.steps)
})

test('loading in a thread fails with the error that loading has', async () => {
  await assert.rejects(
    LLM.load(MODEL, { worker: true, device: 'reference', cacheBytes: 1 }),
    (error) => isWarplineError(error) && error.code === 'cache-too-small',
  )
  const aborted = new AbortController()
  const loading = LLM.load(MODEL, { worker: true, device: 'reference', signal: aborted.signal })
  aborted.abort()
  await assert.rejects(loading, (error) => isWarplineError(error) && error.code === 'cancelled')
})

test('closing ends open requests and the thread', async () => {
  const other = await LLM.load(MODEL, { worker: true, device: 'reference' })
  const generation = other.generate([1, 2], { maxTokens: 40, ignoreEos: true })
  const outcome = Promise.allSettled([generation])
  await other.close()
  const [settled] = await outcome
  assert.ok(settled!.status === 'rejected' && settled!.reason.code === 'engine-closed')
  await assert.rejects(
    async () => await other.generate([1]),
    (error) => isWarplineError(error) && error.code === 'model-closed',
  )
  await other.close()
})
