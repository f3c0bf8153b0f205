import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import type { CpuOptions } from '../../../src/backend/cpu/executor.js'
import type { OperationKind } from '../../../src/program/operation.js'
import { buildAttention } from '../../support/operation-cases/paged-attention.js'
import {
  type BuiltCase,
  boundFor,
  type CaseStorage,
  compareOutputs,
  exactStorage,
  type OperationCase,
  operationCases,
  runCase,
} from '../../support/operation-cases.js'
import { atEveryLevel, levels, skip } from './support/levels.js'

/** BF16 dot products round what they multiply: 2 ** -9 of it at most. */
const BF16_OPERAND = 2 ** -8

const exact = exactStorage(cpuBackend)
const kinds = [...new Set(operationCases.map(({ operation }) => operation))]
const STORED: readonly OperationKind[] = [
  'embed',
  'linear',
  'logits',
  'moe',
  'qkv-to-cache',
  'attention',
  'copy-blocks',
]

/** What a case expects takes longer to compute than the case: it is computed once for all levels and threads. */
const cases = new Map<string, BuiltCase>()
function buildOnce(operationCase: OperationCase, storage: CaseStorage): BuiltCase {
  const key = JSON.stringify([operationCase.name, storage])
  const built = cases.get(key) ?? operationCase.build(storage)
  cases.set(key, built)
  return built
}

async function check(operationCase: OperationCase, storage: CaseStorage, threads = 2): Promise<void> {
  const built = buildOnce(operationCase, storage)
  const options: Partial<CpuOptions> = { poison: true, threads }
  const outputs = await runCase(cpuBackend, built, storage, options)
  const rounds = storage.weightType === 'bf16' && roundsOperands(operationCase, built)
  const bound = Math.max(boundFor(operationCase, built, storage), rounds ? BF16_OPERAND : 0)
  try {
    compareOutputs(outputs, built.expected, bound)
  } catch (error) {
    throw new Error(`${operationCase.name}, ${storage.weightType}, cache ${storage.cacheType}`, { cause: error })
  }
}

/** Inputs of a case are exact in bf16; what an expert hands on is not, nor a result that is read through a product. */
function roundsOperands({ operation }: OperationCase, { expected }: BuiltCase): boolean {
  return operation === 'moe' || (operation !== 'logits' && expected[0]!.logits !== undefined)
}

const casesOf = (...wanted: readonly OperationKind[]) =>
  operationCases.filter(({ operation }) => wanted.includes(operation))

test('there is a level to test, and the best one is among them', { skip }, () => assert.ok(levels.length >= 1))

atEveryLevel('every operation computes what its formula says, in float32', () => {
  for (const kind of kinds) {
    test(kind, async () => {
      for (const operationCase of casesOf(kind)) await check(operationCase, exact)
    })
  }
})

atEveryLevel('operations keep their bounds with 16-bit weights and caches', () => {
  for (const type of ['bf16', 'f16'] as const) {
    test(type, async () => {
      const storage = { ...exact, weightType: type, cacheType: type }
      for (const operationCase of casesOf(...STORED)) await check(operationCase, storage)
    })
  }
})

test('the number of threads does not matter: more of them than work, and one', { skip }, async () => {
  for (const operationCase of operationCases) await check(operationCase, exact, 5)
  for (const operationCase of casesOf('attention', 'moe', 'linear')) await check(operationCase, exact, 1)
})

test('blocks may have any power of two from 16', { skip }, async () => {
  for (const blockSize of [32, 256]) {
    for (const operationCase of casesOf('attention', 'qkv-to-cache', 'copy-blocks')) {
      await check(operationCase, { ...exact, blockSize })
    }
  }
})

/** Contexts of several tiles, with so few heads that threads share one: prompts, chunks, single tokens. */
const LONG = [
  { adds: [[0, 300]] },
  {
    adds: [
      [0, 1],
      [1, 2],
    ],
  },
  {
    adds: [
      [1, 140],
      [0, 3],
    ],
  },
  { adds: [[0, 1]] },
] as const

atEveryLevel('attention over many tiles', () => {
  for (const form of [{}, { window: 130 }, { window: 7, softCap: 3 }, { alibi: true }]) {
    test(JSON.stringify(form), async () => {
      const shape = { heads: 6, kvHeads: 1, headDim: 20, schedule: LONG, ...form }
      const long: OperationCase = {
        operation: 'attention',
        name: `long ${JSON.stringify(form)}`,
        // Random slopes make scores of several hundred, which float32 knows to 3e-5.
        bound: 'alibi' in form ? 1e-5 : 2e-6,
        build: (storage) => buildAttention(shape, storage),
      }
      for (const threads of [1, 2, 4]) await check(long, exact, threads)
    })
  }
})
