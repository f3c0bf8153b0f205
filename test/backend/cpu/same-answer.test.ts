import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import type { CpuOptions } from '../../../src/backend/cpu/executor.js'
import type { Executor } from '../../../src/backend/executor.js'
import { lower } from '../../../src/model/lower.js'
import type { DataType } from '../../../src/program/buffer.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { randomTexts, runAlone, runTogether } from '../../support/ragged-runs.js'
import { FORMS, type ModelForm, randomModel } from '../../support/random-model.js'
import { stepInputs } from '../../support/steps.js'
import { atEveryLevel, skip } from './support/levels.js'

const BLOCK_SIZE = 16
const BLOCKS = 40
const VOCABULARY = 61
const MAX_TOKENS = 256
/** Longer than a tile of attention, so that chunks end within, at and behind its border. */
const LENGTHS = [1, 6, 33, 150]

const TEXTS = randomTexts(LENGTHS, { blockSize: BLOCK_SIZE, blocks: BLOCKS })

interface Storage {
  readonly weightType: DataType
  readonly cacheType: DataType
}

const STORAGES: readonly Storage[] = [
  { weightType: 'f32', cacheType: 'f32' },
  { weightType: 'bf16', cacheType: 'bf16' },
  { weightType: 'f16', cacheType: 'f16' },
  { weightType: 'int8', cacheType: 'f32' },
  { weightType: 'int4', cacheType: 'f16' },
]

async function start(form: Partial<ModelForm>, storage: Storage, threads: number): Promise<Executor> {
  const { spec, weights } = randomModel(form, 7)
  const program = optimize(lower(spec, { blockSize: BLOCK_SIZE, activationType: 'f32', ...storage }))
  const room = { blocks: BLOCKS, blockSize: BLOCK_SIZE, maxTokens: MAX_TOKENS, maxRows: MAX_TOKENS }
  const options: CpuOptions = { program, weights, ...room, threads, poison: true }
  return cpuBackend.createExecutor(options)
}

/** One thread, each text alone, against other numbers of threads and any schedule. */
async function checkSameBits(form: Partial<ModelForm>, storage: Storage, runs: number): Promise<void> {
  const alone = await start(form, storage, 1)
  const expected = await runAlone(alone, TEXTS)
  await alone.close()
  for (const threads of [1, 2, 3]) {
    const executor = await start(form, storage, threads)
    assert.deepEqual(await runAlone(executor, TEXTS), expected, `${threads} threads, alone`)
    const check = fc.asyncProperty(fc.nat(), fc.constantFrom(3, 40, 150), async (seed, chunk) => {
      assert.deepEqual(await runTogether(executor, TEXTS, seed, chunk), expected)
    })
    await fc.assert(check, { numRuns: runs })
    await executor.close()
  }
}

atEveryLevel('a token’s logits are the same bits in any batch, chunk and block, on any number of threads', () => {
  for (const storage of STORAGES) {
    test(`${storage.weightType} weights, ${storage.cacheType} cache`, async () => {
      await checkSameBits(FORMS['serial, gated, grouped heads, rms']!, storage, 2)
    })
  }
})

describe('so they are for every form of model', { skip }, () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(name, () => checkSameBits(form, { weightType: 'f32', cacheType: 'f16' }, 2))
  }

  test('and for products of more inputs than one chunk holds', async () => {
    const sizes = { layers: 1, hidden: 320, heads: 5, kvHeads: 1, headDim: 64, inner: 1100, tied: false }
    const form = {
      ...FORMS['serial, gated, grouped heads, rms'],
      ...sizes,
      rotary: { dim: 64, pairs: 'half' } as const,
    }
    for (const storage of STORAGES) await checkSameBits(form, storage, 1)
  })

  test('and for quantised experts', () =>
    checkSameBits(FORMS['mixture of experts']!, { weightType: 'int4', cacheType: 'f32' }, 2))
})

test('tokens of other sequences do not matter, those of the same do', { skip }, async () => {
  const executor = await start({}, STORAGES[0]!, 2)
  const last = async (first: number, other: number) => {
    const parts = [
      { ids: [first, 5, 6], cached: 0, blocks: [1] },
      { ids: [other, 2], cached: 0, blocks: [0] },
    ]
    return (await executor.step(stepInputs(parts, { blockSize: BLOCK_SIZE }))).logits!.slice(0, VOCABULARY)
  }
  assert.deepEqual(await last(1, 2), await last(1, 3))
  assert.notDeepEqual(await last(1, 2), await last(2, 2))
  await executor.close()
})
