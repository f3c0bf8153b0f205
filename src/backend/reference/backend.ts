import type { Backend } from '../executor.js'
import { hostMemoryBudget } from '../host-memory.js'
import { createReferenceExecutor } from './executor.js'

/** The executable specification: every operation in plain TypeScript, in this thread. Runs wherever Node does. */
export const referenceBackend: Backend = {
  name: 'reference',
  storage: {
    weights: ['f32', 'bf16', 'f16'],
    beside: () => ({ cache: ['f32', 'bf16', 'f16'], activation: 'f32' }),
  },
  blockSize: 16,
  batchTokens: 32,
  batchSequences: 64,
  cacheShare: 0.5,
  availability: async () => ({
    usable: true,
    detail: `plain TypeScript on Node ${process.versions.node}, one thread; every number takes four bytes`,
  }),
  memoryBudget: async () => hostMemoryBudget(),
  createExecutor: createReferenceExecutor,
}
