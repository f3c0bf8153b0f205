import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { cudaBackend } from '../../src/backend/cuda/backend.js'
import type { CudaOptions } from '../../src/backend/cuda/executor.js'
import {
  boundFor,
  type CaseStorage,
  compareOutputs,
  type OperationCase,
  operationCases,
  runCase,
  storageChoices,
} from '../support/operation-cases.js'
import { skip } from './support/gpu.js'

const kinds = [...new Set(operationCases.map(({ operation }) => operation))]
const choices = storageChoices(cudaBackend)

async function check(operationCase: OperationCase, storage: CaseStorage, extra: Partial<CudaOptions> = {}) {
  const built = operationCase.build(storage)
  const outputs = await runCase(cudaBackend, built, storage, { poison: true, ...extra } as Partial<CudaOptions>)
  compareOutputs(outputs, built.expected, boundFor(operationCase, built, storage))
}

/** Numbers that lie this far from 0 differ by less than a 16-bit type resolves: what comes in is not what the formula took. */
const holds = ({ name }: OperationCase, { activationType }: CaseStorage) =>
  activationType === 'f32' || !name.includes('"shift"')

/** Every case is tried, so that one run tells of all that fail. */
async function checkAll(cases: readonly OperationCase[], storage: CaseStorage, extra: Partial<CudaOptions> = {}) {
  const failures: string[] = []
  for (const operationCase of cases) {
    if (!holds(operationCase, storage)) continue
    try {
      await check(operationCase, storage, extra)
    } catch (error) {
      failures.push(`${operationCase.name}: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}`)
    }
  }
  assert.deepEqual(failures, [])
}

for (const storage of choices) {
  describe(`operations in ${storage.weightType}`, { skip }, () => {
    for (const kind of kinds) {
      test(kind, async () => {
        await checkAll(
          operationCases.filter(({ operation }) => operation === kind),
          storage,
        )
      })
    }
  })
}

test('launched one by one instead of as graphs', { skip }, async () => {
  for (const storage of choices) await checkAll(operationCases, storage, { graphs: false })
})

test('deterministic kernels', { skip }, async () => {
  for (const storage of choices) await checkAll(operationCases, storage, { deterministic: true })
})

test('blocks may have any power of two from 16 to 256', { skip }, async () => {
  const cached = operationCases.filter(({ operation }) =>
    ['attention', 'qkv-to-cache', 'copy-blocks'].includes(operation),
  )
  for (const storage of choices) {
    for (const blockSize of [16, 32, 256]) await checkAll(cached, { ...storage, blockSize })
  }
})
