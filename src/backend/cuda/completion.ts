import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Event } from './driver/event.js'

/** Timers are no finer than this, and come late by as much. */
const TIMER_MS = 1
/** Queries before the event loop has its turn: a short step is over by then. */
const QUERIES = 32

/** In milliseconds; `turn` lets the event loop go round once. */
export interface Time {
  now(): number
  sleep(milliseconds: number): Promise<unknown>
  turn(): Promise<unknown>
}

const SYSTEM_TIME: Time = { now: () => performance.now(), sleep: setTimeout, turn: setImmediate }

/**
 * Waits for the device without blocking the thread: it sleeps through half of what is left of the expected time, again and again, and
 * asks in every turn of the event loop when the end is near. What a kind of step is expected to take is the least of its last times
 * and of their mean: a sleep makes a step seem longer than it was, never by more than its half, so that an estimate that is too
 * long is soon given up.
 */
export class Completion {
  private readonly expected = new WeakMap<object, number>()

  constructor(private readonly time: Time = SYSTEM_TIME) {}

  /** Steps of one `kind` take about as long as each other. */
  async of(done: Event, kind: object): Promise<void> {
    const { time } = this
    const started = time.now()
    const known = this.expected.get(kind)
    for (;;) {
      for (let i = 0; i < QUERIES; i++) {
        if (!done.isDone) continue
        const taken = time.now() - started
        this.expected.set(kind, known === undefined ? taken : Math.min(taken, (known + taken) / 2))
        return
      }
      const half = ((known ?? 0) - (time.now() - started)) / 2
      if (half > TIMER_MS) await time.sleep(Math.floor(half))
      else await time.turn()
    }
  }
}
