import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Event } from './driver/event.js'

/** Timers are no finer than this. */
const TIMER_MS = 1
/** Before the expected end, time for a timer that comes late. */
const MARGIN_MS = 1.5
const SMOOTHING = 0.25
/** Queries before the event loop has its turn: a short step is over by then. */
const QUERIES = 32

/**
 * Waits for the device without blocking the thread: it sleeps while the end is far, by what steps took lately, and asks in every turn
 * of the event loop when it is near. Steps end in order.
 */
export class Completion {
  private expected = 0

  async of(done: Event): Promise<void> {
    const started = performance.now()
    for (;;) {
      for (let i = 0; i < QUERIES; i++) {
        if (!done.isDone) continue
        this.expected += SMOOTHING * (performance.now() - started - this.expected)
        return
      }
      const left = this.expected - (performance.now() - started)
      if (left > TIMER_MS + MARGIN_MS) await setTimeout(Math.floor(left - MARGIN_MS))
      else await setImmediate()
    }
  }
}
