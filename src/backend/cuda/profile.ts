import type { Context } from './driver/context.js'
import type { Event } from './driver/event.js'
import type { Stream } from './driver/stream.js'
import { delayLaunch } from './launch/delay.js'
import { type Plan, runWork } from './plan.js'

/** Handing over one kernel takes a few microseconds: the device waits this long for each, so that it never waits in between. */
const DELAY_NS_EACH = 12_000

/**
 * Runs a plan with an event after each operation. A kernel that keeps the device busy goes first, so that all others are handed over
 * before the first begins: what is measured is the device's time alone, without overlap between operations.
 */
export function profileWork(context: Context, stream: Stream, plan: Plan, operations: number): Float64Array {
  const marks: { readonly operation: number; readonly event: Event }[] = []
  const mark = (operation: number) => {
    const event = context.event(true)
    stream.mark(event)
    marks.push({ operation, event })
  }
  stream.launch(delayLaunch(DELAY_NS_EACH * plan.work.length), false)
  mark(-1)
  plan.work.forEach((work, i) => {
    runWork([work], stream, false)
    if (plan.work[i + 1]?.operation !== work.operation) mark(work.operation)
  })
  stream.synchronize()
  const nanoseconds = new Float64Array(operations)
  for (let i = 1; i < marks.length; i++) {
    const { operation, event } = marks[i]!
    // What comes before the first operation counts with it.
    const index = Math.max(0, operation)
    nanoseconds[index] = nanoseconds[index]! + event.since(marks[i - 1]!.event) * 1000
  }
  for (const { event } of marks) context.releaseEvent(event)
  return nanoseconds
}
