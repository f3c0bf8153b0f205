import { loadLibrary } from '../../src/backend/cpu/library.js'
import { enterPool, leavePool, type ThreadPool } from '../../src/backend/cpu/thread-pools.js'

/** What all threads together can do: bytes read a second, and operations a second by instruction; 0 is unknown. */
export interface Limits {
  readonly read: number
  readonly f32: number
  readonly bf16: number
  readonly int8: number
}

/** Measures the machine's limits whenever asked, with a pool of threads that sleeps in between. */
export class LimitsMeter {
  private constructor(private readonly pool: ThreadPool) {}

  /** Undefined (and said why) where there is no native library. */
  static async start(threads: number, say: (line: string) => void): Promise<LimitsMeter | undefined> {
    try {
      return new LimitsMeter(enterPool(await loadLibrary(), threads))
    } catch (error) {
      say(`limits are not measured: ${(error as Error).message}`)
      return undefined
    }
  }

  async measure(): Promise<Limits> {
    const { readBytes, operations } = await this.pool.measureLimits()
    const { f32 = 0, bf16 = 0, int8 = 0 } = operations
    return { read: readBytes, f32, bf16, int8 }
  }

  close(): void {
    leavePool(this.pool)
  }
}

/** The geometric mean of what was measured before and after a run. */
export function between(before: Limits, after: Limits): Limits {
  const mean = (key: keyof Limits) => Math.sqrt(before[key] * after[key])
  return { read: mean('read'), f32: mean('f32'), bf16: mean('bf16'), int8: mean('int8') }
}
