import { isWarplineError } from '../../errors.js'
import type { Availability, Backend } from '../executor.js'
import { activationBytes } from './activations.js'
import { loadCublasLt } from './blas/cublaslt.js'
import { compiledFolder, targetOf } from './compile/modules.js'
import { loadNvrtc } from './compile/nvrtc.js'
import { type DeviceFacts, listDevices } from './driver/device.js'
import { freeMemory } from './driver/free-memory.js'
import { loadDriver } from './driver/load-driver.js'
import { createCudaExecutor } from './executor.js'

/** Of the free memory, unless the user says otherwise: the rest is for what other programs and the driver still take. */
const MEMORY_FRACTION = 0.92

/** Products' workspace, scratch memory, graphs, staging: what does not grow with the model. */
const WORKSPACE_BYTES = 512 * 2 ** 20

/** One NVIDIA GPU (compute capability 8.0 or newer), by the CUDA driver. */
export const cudaBackend: Backend = {
  name: 'cuda',
  storage: {
    weights: ['f32', 'bf16', 'f16'],
    beside: (weights) => ({ cache: [weights], activation: weights }),
  },
  blockSize: 64,
  batchTokens: 2048,
  batchSequences: 256,
  availability,
  async memoryBudget(fraction = MEMORY_FRACTION) {
    const raw = await loadDriver()
    const [device] = listDevices(raw)
    return device ? Math.floor(fraction * freeMemory(raw, device.ordinal).free) : 0
  },
  cacheShare: 1,
  workspaceBytes: (program, room) => activationBytes(program, room) + WORKSPACE_BYTES,
  createExecutor: createCudaExecutor,
}

async function availability(): Promise<Availability> {
  try {
    const raw = await loadDriver()
    const [device] = listDevices(raw)
    if (!device) return { usable: false, detail: 'no GPU of compute capability 8.0 or newer' }
    const kernels = await kernelsOf(device)
    const usable = kernels !== undefined
    return {
      usable,
      detail: `${describe(device)}, ${raw.path}; ${kernels ?? missingKernels(device)}; ${await blasDetail()}`,
    }
  } catch (error) {
    if (!isWarplineError(error)) throw error
    return { usable: false, detail: error.message }
  }
}

function describe({ name, memory, architecture, driverVersion }: DeviceFacts): string {
  const version = `${Math.floor(driverVersion / 1000)}.${Math.floor((driverVersion % 1000) / 10)}`
  return `${name}, ${(memory / 2 ** 30).toFixed(0)} GiB, compute capability ${architecture / 10}, CUDA ${version}`
}

async function kernelsOf({ architecture }: DeviceFacts): Promise<string | undefined> {
  const folder = compiledFolder(targetOf(architecture))
  if (folder) return `kernels of ${folder}`
  const nvrtc = await loadNvrtc()
  return nvrtc && `kernels compiled at first use by ${nvrtc.path}`
}

function missingKernels({ architecture }: DeviceFacts): string {
  return `no kernels for ${targetOf(architecture)}: build them with nvcc (npm run build:cuda), or install NVRTC`
}

async function blasDetail(): Promise<string> {
  const blas = await loadCublasLt()
  return blas ? `cuBLASLt ${blas.version}, ${blas.path}` : 'no cuBLASLt: large products use our own kernels'
}
