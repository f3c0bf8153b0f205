import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type GoldenFolder,
  goldenFolders,
  greedyTokens,
  type LoadedModel,
  promptLogits,
  readGolden,
  relativeError,
} from '../../support/golden.js'
import { atEveryLevel, skip } from './support/levels.js'
import { type CpuLoadOptions, loadOnCpu } from './support/load.js'

const FLOAT32 = 2e-4
const SIXTEEN_BITS = 2e-2
/**
 * A rounding may send a token to another expert; its logits are then another network's, not an inexact copy. Of the
 * positions of a mixture of experts, so many must keep the bound.
 */
const UNMOVED_SHARE = 0.8

const folders = skip
  ? []
  : await Promise.all(goldenFolders().map(async (folder) => ({ folder, golden: await readGolden(folder) })))

async function withModel(folder: GoldenFolder, options: CpuLoadOptions, use: (model: LoadedModel) => Promise<void>) {
  const model = await loadOnCpu(folder.directory, { threads: 2, ...options })
  try {
    await use(model)
  } catch (error) {
    throw new Error(`${folder.name} ${JSON.stringify(options)}`, { cause: error })
  } finally {
    await model.executor.close()
  }
}

atEveryLevel('float32 models', () => {
  test('compute the logits of every prompt position', async () => {
    for (const { folder, golden } of folders) {
      await withModel(folder, {}, async (model) => {
        for (const [i, prompt] of golden.prompts.entries()) {
          const error = relativeError(await promptLogits(model, prompt), golden.logits[i]!)
          assert.ok(error <= FLOAT32, `prompt ${i} of ${prompt.length} tokens: relative error ${error}`)
        }
      })
    }
  })
})

test('float32 models continue greedily with the same tokens', { skip }, async () => {
  for (const { folder, golden } of folders) {
    await withModel(folder, {}, async (model) => {
      for (const [i, prompt] of golden.prompts.entries()) {
        const expected = golden.greedy[i]!
        assert.deepEqual(await greedyTokens(model, prompt, expected.length), expected, `prompt ${i}`)
      }
    })
  }
})

for (const type of ['bf16', 'f16'] as const) {
  test(`${type} models compute the logits of every prompt position`, { skip }, async () => {
    for (const { folder, golden } of folders) {
      await withModel(folder, { weightType: type, cacheType: type }, async (model) => {
        const experts = model.spec.layers.some(({ feedForward }) => feedForward.kind === 'moe')
        const errors: number[] = []
        for (const [i, prompt] of golden.prompts.entries()) {
          const logits = await promptLogits(model, prompt)
          if (experts) errors.push(...errorsByPosition(logits, golden.logits[i]!, model.spec.vocabulary))
          else errors.push(relativeError(logits, golden.logits[i]!))
        }
        const within = errors.filter((error) => error <= SIXTEEN_BITS).length
        const worst = Math.max(...errors)
        assert.ok(
          within >= errors.length * (experts ? UNMOVED_SHARE : 1),
          `${within} of ${errors.length}, worst ${worst}`,
        )
      })
    }
  })
}

function errorsByPosition(actual: Float32Array, expected: Float32Array, width: number): number[] {
  return Array.from({ length: expected.length / width }, (_, i) => {
    return relativeError(actual.subarray(i * width, (i + 1) * width), expected.subarray(i * width, (i + 1) * width))
  })
}
