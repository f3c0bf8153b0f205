import type { DeviceLimits } from '../executor.js'
import type { Address, CpuLibrary, Run } from './library.js'
import { measureLimits } from './limits.js'

/**
 * A pool of native threads, shared by every model of the process that asked for as many: models that take turns never run
 * more threads than one does. Runs queue here, so that a waiting one occupies none of Node's worker threads.
 */
export class ThreadPool {
  private users = 0
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly library: CpuLibrary,
    private readonly address: Address,
    readonly threads: number,
  ) {}

  /** Returns the wl_error. */
  run(run: Omit<Run, 'pool'>): Promise<number> {
    return this.queue(() => this.library.run({ pool: this.address, ...run }))
  }

  /** What these threads can do at most. */
  measureLimits(): Promise<DeviceLimits> {
    return this.queue(() => measureLimits(this.library, this.address))
  }

  private queue<T>(use: () => Promise<T>): Promise<T> {
    const turn = this.last.then(use)
    this.last = turn.catch(() => {})
    return turn
  }

  errorText(error: number): string {
    return this.library.errorText(error)
  }

  enter(): this {
    this.users++
    return this
  }

  /** Whether that was the last user; the pool is gone then. */
  leave(): boolean {
    this.users--
    if (this.users > 0) return false
    this.library.destroyPool(this.address)
    return true
  }
}

const pools = new Map<number, ThreadPool>()

/** The pool of that many threads; by default one a physical core. To be given back with `leavePool`. */
export function enterPool(library: CpuLibrary, threads = library.defaultThreads()): ThreadPool {
  let pool = pools.get(threads)
  if (!pool) {
    pool = new ThreadPool(library, library.createPool(threads), threads)
    pools.set(threads, pool)
  }
  return pool.enter()
}

export function leavePool(pool: ThreadPool): void {
  if (pool.leave()) pools.delete(pool.threads)
}
