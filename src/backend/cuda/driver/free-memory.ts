import { Driver } from './driver.js'
import type { RawDriver } from './raw.js'

export interface FreeMemory {
  readonly free: number
  readonly total: number
}

/**
 * Asks with the device's primary context, which is kept for the life of the process: an executor is about to need it, and making it takes
 * a fifth of a second.
 */
const retained = new Set<number>()

export function freeMemory(raw: RawDriver, ordinal: number): FreeMemory {
  const driver = new Driver(raw)
  driver.call('cuCtxSetCurrent', driver.handle('cuDevicePrimaryCtxRetain', ordinal))
  if (retained.has(ordinal)) driver.call('cuDevicePrimaryCtxRelease_v2', ordinal)
  retained.add(ordinal)
  const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)]
  driver.call('cuMemGetInfo_v2', free, total)
  return { free: Number(free[0]), total: Number(total[0]) }
}
