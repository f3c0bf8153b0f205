import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { referenceBackend } from '../../../src/backend/reference/backend.js'
import type { ReferenceOptions } from '../../../src/backend/reference/executor.js'
import { checkCase, exactStorage, operationCases, storageChoices } from '../../support/operation-cases.js'

const poisoned: Partial<ReferenceOptions> = { poison: true }

describe('every operation computes what its formula says, in float32', () => {
  const storage = exactStorage(referenceBackend)
  for (const operationCase of operationCases) {
    test(operationCase.name, () => checkCase(referenceBackend, operationCase, storage, poisoned))
  }
})

describe('every operation keeps its bound with 16-bit weights and caches', () => {
  const choices = storageChoices(referenceBackend).filter(
    ({ weightType, cacheType }) => weightType !== 'f32' && weightType === cacheType,
  )
  for (const storage of choices) {
    test(storage.weightType, async () => {
      for (const operationCase of operationCases) await checkCase(referenceBackend, operationCase, storage, poisoned)
    })
  }
  test('both types are offered', () => assert.equal(choices.length, 2))
})

describe('every operation works with blocks of any size', () => {
  for (const blockSize of [1, 5, 64]) {
    test(`blocks of ${blockSize}`, async () => {
      const storage = { ...exactStorage(referenceBackend), blockSize }
      const paged = operationCases.filter(({ operation }) =>
        ['attention', 'qkv-to-cache', 'copy-blocks'].includes(operation),
      )
      for (const operationCase of paged) await checkCase(referenceBackend, operationCase, storage, poisoned)
    })
  }
})
