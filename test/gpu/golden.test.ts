import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cudaBackend } from '../../src/backend/cuda/backend.js'
import {
  type GoldenFolder,
  goldenFolders,
  greedyTokens,
  promptLogits,
  readGolden,
  relativeError,
} from '../support/golden.js'
import { loadOn, type ModelOptions } from '../support/load-model.js'
import { skip } from './support/gpu.js'

const BOUND = { f32: 2e-4, bf16: 2e-2, f16: 2e-2 } as const
/** A rounding may send a token to another expert; its logits are then another network's, not an inexact copy. */
const UNMOVED_SHARE = 0.8

const folders = skip ? [] : goldenFolders()

async function logitErrors(
  folder: GoldenFolder,
  options: ModelOptions,
): Promise<{ errors: number[]; experts: boolean }> {
  const golden = await readGolden(folder)
  const model = await loadOn(cudaBackend, folder.directory, options)
  try {
    const { vocabulary, layers } = model.spec
    const experts = layers.some(({ feedForward }) => feedForward.kind === 'moe')
    const errors: number[] = []
    for (const [i, prompt] of golden.prompts.entries()) {
      const [actual, expected] = [await promptLogits(model, prompt), golden.logits[i]!]
      if (!experts) errors.push(relativeError(actual, expected))
      for (let at = 0; experts && at < actual.length; at += vocabulary) {
        errors.push(relativeError(actual.subarray(at, at + vocabulary), expected.subarray(at, at + vocabulary)))
      }
    }
    return { errors, experts }
  } finally {
    await model.executor.close()
  }
}

for (const type of ['f32', 'bf16', 'f16'] as const) {
  describe(`${type} models compute the logits of every prompt position`, { skip }, () => {
    for (const folder of folders) {
      test(folder.name, async () => {
        const { errors, experts } = await logitErrors(folder, { weightType: type })
        const within = errors.filter((error) => error <= BOUND[type]).length
        const share = experts && type !== 'f32' ? UNMOVED_SHARE : 1
        assert.ok(within >= errors.length * share, `${within} of ${errors.length}, worst ${Math.max(...errors)}`)
      })
    }
  })
}

describe('float32 models continue greedily with the same tokens', { skip }, () => {
  for (const folder of folders) {
    test(folder.name, async () => {
      const golden = await readGolden(folder)
      const model = await loadOn(cudaBackend, folder.directory)
      try {
        for (const [i, prompt] of golden.prompts.entries()) {
          const expected = golden.greedy[i]!
          assert.deepEqual(await greedyTokens(model, prompt, expected.length), expected, `prompt ${i}`)
        }
      } finally {
        await model.executor.close()
      }
    })
  }
})
