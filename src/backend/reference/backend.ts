import { freemem } from 'node:os'
import type { Backend } from '../executor.js'
import { createReferenceExecutor } from './executor.js'

const BUDGET_SHARE = 0.75

/** The executable specification: every operation in plain TypeScript, in this thread. Runs wherever Node does. */
export const referenceBackend: Backend = {
  name: 'reference',
  storage: { weights: ['f32', 'bf16', 'f16'], cache: ['f32', 'bf16', 'f16'], activation: 'f32' },
  blockSize: 16,
  availability: async () => ({
    usable: true,
    detail: `plain TypeScript on Node ${process.versions.node}, one thread; every number takes four bytes`,
  }),
  memoryBudget: async () => Math.floor(BUDGET_SHARE * Math.min(freemem(), roomInContainer())),
  createExecutor: createReferenceExecutor,
}

/** What a container's limit leaves to this process; infinite where there is none. */
function roomInContainer(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.max(0, limit - process.memoryUsage.rss()) : Number.POSITIVE_INFINITY
}
