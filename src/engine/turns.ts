import { setImmediate } from 'node:timers/promises'

/** Milliseconds that the engine may keep timers, sockets and signals waiting. */
const PATIENCE = 2

/**
 * Turns of the event loop. Promises alone never give it one: an engine whose executor answers at once would shut out
 * everything else in the process for as long as there is work.
 */
export class Turns {
  private taken = 0

  /** Whether the last turn is so long ago that others must have theirs. */
  due(): boolean {
    return performance.now() - this.taken > PATIENCE
  }

  /** Lets everything that waits in the event loop run. */
  async take(): Promise<void> {
    await setImmediate()
    this.taken = performance.now()
  }
}
