import type { ProfiledOperation, ProfiledPhase, ProfiledStep, ProfileReport } from './report.js'

/** An event of Chrome's trace format: `X` is a span, `M` names a row. Times are in microseconds. */
export interface TraceEvent {
  readonly name: string
  readonly ph: 'X' | 'M'
  readonly pid: number
  readonly tid: number
  readonly cat?: string
  readonly ts?: number
  readonly dur?: number
  readonly args?: Readonly<Record<string, unknown>>
}

/** The object format of Chrome's traces: chrome://tracing, Perfetto and Speedscope open it. */
export interface ChromeTrace {
  readonly displayTimeUnit: 'ns'
  readonly otherData: Readonly<Record<string, unknown>>
  readonly traceEvents: readonly TraceEvent[]
}

/**
 * A profile as a timeline: each phase is a process, in which steps hold layers and layers hold operations. Times are
 * medians laid end to end, so that what the host does stands at the end of each step.
 */
export function chromeTrace(report: ProfileReport): ChromeTrace {
  const { model, device, dtype, shape, repeats, limits } = report
  return {
    displayTimeUnit: 'ns',
    otherData: { model, device, dtype, ...shape, repeats, limits },
    traceEvents: report.phases.flatMap((phase, i) => phaseEvents(phase, i + 1)),
  }
}

function phaseEvents(phase: ProfiledPhase, pid: number): TraceEvent[] {
  const events: TraceEvent[] = [{ name: 'process_name', ph: 'M', pid, tid: 1, args: { name: phase.phase } }]
  let start = 0
  for (const step of phase.steps) {
    const operations = operationEvents(phase.operations, step, start, pid)
    const { tokens, context, nanoseconds } = step
    events.push(span('step', 'step', start, nanoseconds, pid, { tokens, context }))
    events.push(...layerEvents(phase.operations, operations, pid), ...operations.map(({ event }) => event))
    start += nanoseconds
  }
  return events
}

interface Placed {
  readonly event: TraceEvent
  readonly start: number
  readonly end: number
}

function operationEvents(
  operations: readonly ProfiledOperation[],
  step: ProfiledStep,
  from: number,
  pid: number,
): Placed[] {
  let start = from
  return operations.map(({ index, kind, name, bytesRead, bytesWritten, flops, ratio, bound }) => {
    const length = step.operations[index]!
    const event = span(name, kind, start, length, pid, { index, bytesRead, bytesWritten, flops, ratio, bound })
    const placed = { event, start, end: start + length }
    start = placed.end
    return placed
  })
}

/** Operations of a layer follow each other; a fused norm belongs to the layer it prepares. */
function layerEvents(operations: readonly ProfiledOperation[], placed: readonly Placed[], pid: number): TraceEvent[] {
  const events: TraceEvent[] = []
  for (let first = 0; first < operations.length; ) {
    const { layer } = operations[first]!
    let last = first
    while (operations[last + 1]?.layer === layer && last + 1 < operations.length) last++
    const { start } = placed[first]!
    if (layer !== undefined) events.push(span(`layer ${layer}`, 'layer', start, placed[last]!.end - start, pid))
    first = last + 1
  }
  return events
}

/** Nanoseconds in, microseconds out. */
function span(name: string, cat: string, start: number, length: number, pid: number, args: object = {}): TraceEvent {
  return { name, cat, ph: 'X', ts: start / 1000, dur: length / 1000, pid, tid: 1, args: { ...args } }
}
