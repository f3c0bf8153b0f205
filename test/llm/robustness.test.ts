import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { EngineCommand, EngineEvent } from '../../src/engine/messages.js'
import { DEFAULT_SAMPLING } from '../../src/engine/sampling-parameters.js'
import { type GenerateOptions, isWarplineError, LLM, WarplineError } from '../../src/index.js'
import { EngineClient } from '../../src/llm/engine-client.js'

const MODEL = join(import.meta.dirname, '../golden/models/llama')
const GREEDY: GenerateOptions = { maxTokens: 8, temperature: 0, ignoreEos: true }

let llm: LLM
before(async () => {
  llm = await LLM.load(MODEL, { device: 'reference' })
})
after(() => llm.close())

async function codeOf(run: () => PromiseLike<unknown>): Promise<string> {
  try {
    await run()
  } catch (error) {
    return isWarplineError(error) ? error.code : `untyped: ${String(error)}`
  }
  return 'none'
}

test('a hundred requests share a signal with one listener, which goes when they end', async () => {
  const controller = new AbortController()
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const prompts = Array.from({ length: 100 }, (_, i) => [i + 3])
  await llm.generate(prompts, { ...GREEDY, maxTokens: 1, signal: controller.signal })
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  assert.deepEqual(warnings, [])
})

test('one failure cancels each sibling once', async () => {
  const posted: EngineCommand[] = []
  let emit: (event: EngineEvent) => void = () => {}
  const client = new EngineClient({
    post: (command) => void posted.push(command),
    onEvent: (listener) => {
      emit = listener
    },
    close: async () => {},
  })
  const controller = new AbortController()
  for (let i = 0; i < 5; i++) client.submit({ prompt: [1], parameters: DEFAULT_SAMPLING }, controller.signal, () => {})
  emit({ type: 'failure', id: 'r1', code: 'cancelled', message: '' })
  controller.abort()
  const cancelled = posted.flatMap((command) => (command.type === 'cancel' ? [command.id] : []))
  assert.deepEqual(cancelled, ['r2', 'r3', 'r4', 'r5'])
})

test('a list with one impossible prompt starts nothing', async () => {
  const { steps } = llm.stats()
  const prompts = [...Array.from({ length: 2000 }, () => [1]), [99_999]]
  assert.equal(await codeOf(() => llm.generate(prompts, GREEDY)), 'token-out-of-range')
  assert.equal(llm.stats().steps, steps)
})

test('a score checks its options, and an aborted one is typed', async () => {
  const wrong = { signal: new AbortController() } as never
  assert.equal(await codeOf(() => llm.score([1, 2, 3], wrong)), 'option-invalid')
  assert.equal(await codeOf(() => llm.score([1, 2, 3], { truncate: 'left' } as never)), 'option-invalid')
  assert.equal(await codeOf(() => llm.score([1, 2, 3], { truncat: 'right' } as never)), 'option-unknown')
  assert.equal(await codeOf(() => llm.score([1, 2, 3], null as never)), 'option-invalid')
  assert.equal(await codeOf(() => llm.score([1, 2, 3], { signal: AbortSignal.abort() })), 'cancelled')
})

test('options are read once, inherited ones too, and never changed', async () => {
  assert.equal(await codeOf(() => llm.generate([1], Object.create({ signal: {} }))), 'option-invalid')
  let reads = 0
  const fickle = {
    ...GREEDY,
    get maxTokens() {
      return reads++ === 0 ? 3 : Number.NaN
    },
  }
  assert.equal((await llm.generate([1], fickle)).usage.completionTokens, 3)
  const throwing = Object.defineProperty({}, 'topK', {
    get() {
      throw new Error('no')
    },
    enumerable: true,
  })
  assert.equal(await codeOf(() => llm.generate([1], throwing)), 'option-invalid')
  const ids = { a: 1 }
  assert.equal(await codeOf(() => llm.generate([1], { stopTokenIds: ids } as never)), 'option-invalid')
  assert.equal(Object.isFrozen(ids), false)
})

test('odd prompts, names and biases are typed errors', async () => {
  // biome-ignore lint/suspicious/noSparseArray: the hole is the point
  assert.equal(await codeOf(() => llm.generate([1, , 2] as never, GREEDY)), 'prompt-invalid')
  assert.equal(await codeOf(() => llm.generate({} as never, GREEDY)), 'prompt-invalid')
  for (const logitBias of [{ '': 1 }, { '0x5': 1 }, { ' 5': 1 }]) {
    assert.equal(await codeOf(() => llm.generate([1], { logitBias } as never)), 'option-invalid')
  }
  assert.equal(await codeOf(() => LLM.load(undefined as never)), 'model-not-found')
  assert.equal(await codeOf(() => LLM.load(MODEL, { signal: AbortSignal.abort() })), 'cancelled')
  assert.equal(await codeOf(() => LLM.load(MODEL, { cacheBytes: 2 ** 50 })), 'out-of-memory')
})

test('an iterator that is returned before its first part cancels', async () => {
  const generation = llm.generate([1, 2], { ...GREEDY, maxTokens: 200 })
  await generation[Symbol.asyncIterator]().return!()
  assert.equal((await generation).choices[0]!.finishReason, 'cancelled')
})

test('a failure that nobody waits for harms nobody', async () => {
  llm.generate([1], { maxTokens: -1 })
  await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal((await llm.generate([1], GREEDY)).usage.completionTokens, 8)
})

test('an error message is one printable line of bounded length', () => {
  const { message } = new WarplineError('usage', `a\n\u001b[31m${'b'.repeat(1e6)}`)
  assert.match(message, /^a \\x1b\[31mb+\.\.\.$/)
  assert.ok(message.length < 1100)
})
