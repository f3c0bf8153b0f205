import type { Address, CpuLibrary, Run } from './library.js'

/**
 * A pool of native threads, shared by every model of the process that asked for as many: models that take turns never run
 * more threads than one does. What runs queues here, so that what waits occupies none of Node's worker threads.
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

  /** `matrix` and `rows` are addresses of a wl_matrix and a wl_rows. */
  pack(matrix: Address, first: number, count: number, rows: Address): Promise<void> {
    return this.queue(() => this.library.pack(this.address, matrix, first, count, rows))
  }

  private queue<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work)
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
