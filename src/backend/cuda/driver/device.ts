import { WarplineError } from '../../../errors.js'
import type { DeviceLimits } from '../launch/launch.js'
import { Driver } from './driver.js'
import type { RawDriver } from './raw.js'

/** CUdevice_attribute numbers (cuda.h). */
const ATTRIBUTE = {
  multiprocessors: 16,
  l2Bytes: 38,
  major: 75,
  minor: 76,
  sharedPerBlock: 97,
  memoryClockKHz: 36,
  memoryBusBits: 37,
} as const

/** Tensor-core BF16, cp.async and ldmatrix came with compute capability 8.0. */
const OLDEST = 80

export interface DeviceFacts extends DeviceLimits {
  readonly ordinal: number
  readonly name: string
  readonly memory: number
  /** Of the driver: 13000 for CUDA 13.0. */
  readonly driverVersion: number
}

/** The GPUs that can be used. Throws `cuda-unavailable` where the driver finds none at all. */
export function listDevices(raw: RawDriver): DeviceFacts[] {
  const driver = new Driver(raw)
  try {
    driver.call('cuInit', 0)
    const driverVersion = driver.integer('cuDriverGetVersion')
    const count = driver.integer('cuDeviceGetCount')
    return Array.from({ length: count }, (_, ordinal) => factsOf(driver, ordinal, driverVersion)).filter(
      ({ architecture }) => architecture >= OLDEST,
    )
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new WarplineError('cuda-unavailable', `the CUDA driver finds no GPU to use: ${reason}`, { cause })
  }
}

function factsOf(driver: Driver, ordinal: number, driverVersion: number): DeviceFacts {
  const device = driver.integer('cuDeviceGet', ordinal)
  const attribute = (name: keyof typeof ATTRIBUTE) => driver.integer('cuDeviceGetAttribute', ATTRIBUTE[name], device)
  const text = new Uint8Array(256)
  driver.call('cuDeviceGetName', text, text.length, device)
  const memory = new BigUint64Array(1)
  driver.call('cuDeviceTotalMem_v2', memory, device)
  return {
    ordinal,
    name: new TextDecoder().decode(text.subarray(0, text.indexOf(0))),
    memory: Number(memory[0]),
    driverVersion,
    architecture: 10 * attribute('major') + attribute('minor'),
    multiprocessors: attribute('multiprocessors'),
    sharedPerBlock: attribute('sharedPerBlock'),
    l2Bytes: attribute('l2Bytes'),
  }
}
