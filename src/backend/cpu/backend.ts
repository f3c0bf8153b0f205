import { isWarplineError } from '../../errors.js'
import type { Availability, Backend } from '../executor.js'
import { hostMemoryBudget } from '../host-memory.js'
import { createCpuExecutor } from './executor.js'
import { loadLibrary } from './library.js'

/** Native kernels and threads. Programs run as one call a step, off the thread that Node's event loop has. */
export const cpuBackend: Backend = {
  name: 'cpu',
  storage: {
    weights: ['f32', 'bf16', 'f16', 'int8', 'int8-g32', 'int4', 'int4-g128'],
    cache: ['f32', 'f16', 'bf16'],
    activation: 'f32',
  },
  blockSize: 16,
  batchTokens: 512,
  availability,
  memoryBudget: async () => hostMemoryBudget(),
  createExecutor: createCpuExecutor,
}

async function availability(): Promise<Availability> {
  try {
    const library = await loadLibrary()
    const threads = library.defaultThreads()
    return { usable: true, detail: `${library.level()} kernels, ${threads} threads, ${library.path}` }
  } catch (error) {
    if (!isWarplineError(error)) throw error
    return { usable: false, detail: error.message }
  }
}
