import type { DeviceLimits } from '../executor.js'
import { STORAGE } from './abi.js'
import type { Address, CpuLibrary } from './library.js'

/** Far more than any cache holds. */
const BYTES = 256 << 20
/** One measurement takes a millisecond (arithmetic) or ten (memory). */
const ROUNDS = 5

/** Measures what all threads of a pool can do together at the level in use, in a tenth of a second. */
export async function measureLimits(library: CpuLibrary, pool: Address): Promise<DeviceLimits> {
  const memory = library.allocate(BYTES)
  try {
    // Pages that were never written are all one page, which a cache holds.
    new Uint8Array(library.view(memory, BYTES)).fill(1)
    const readBytes = await best(() => library.measureRead(pool, memory, BYTES))
    const peak = (storage: keyof typeof STORAGE) => best(() => library.measurePeak(pool, STORAGE[storage]))
    const operations = {
      f32: await peak('f32'),
      bf16: await peak('bf16'),
      f16: await peak('f16'),
      int8: await peak('int8'),
      int4: await peak('int4Group32'),
    }
    return { readBytes, operations }
  } finally {
    library.free(memory, BYTES)
  }
}

/** Of some measurements, since others' work only makes one too low; the first wakes the threads. */
async function best(measure: () => Promise<number>): Promise<number> {
  await measure()
  let most = 0
  for (let round = 0; round < ROUNDS; round++) most = Math.max(most, await measure())
  return most
}
