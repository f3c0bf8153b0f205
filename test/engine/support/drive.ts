import type { ClockedExecutor } from './clocked-executor.js'
import type { Harness, Outcome, RequestSketch } from './harness.js'

export interface Arrival {
  readonly sketch: RequestSketch
  /** The step that it is posted before; sooner if the engine would be idle until then. */
  readonly at: number
  /** The step that it is cancelled in. */
  readonly cancelAt?: number | null
}

/** Posts requests while an engine steps through its clocked executor. */
export async function drive(
  { start, post }: Harness,
  clock: ClockedExecutor,
  arrivals: readonly Arrival[],
): Promise<Outcome[]> {
  const queue = [...arrivals].sort((a, b) => a.at - b.at)
  const started = new Map<Arrival, ReturnType<typeof start>>()
  const startDue = (step: number) => {
    while (queue.length > 0 && queue[0]!.at <= step) {
      const arrival = queue.shift()!
      started.set(arrival, start(arrival.sketch))
    }
  }
  clock.onStep = (step) => {
    startDue(step)
    for (const [{ cancelAt }, { id }] of started) if (cancelAt === step) post({ type: 'cancel', id })
  }
  while (queue.length > 0) {
    startDue(queue[0]!.at)
    await Promise.all([...started.values()].map(({ done }) => done))
  }
  return Promise.all(arrivals.map((arrival) => started.get(arrival)!.done))
}
