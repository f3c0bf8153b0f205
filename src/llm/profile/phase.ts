import type { DeviceLimits } from '../../backend/executor.js'
import { costOf } from '../../program/cost.js'
import { type Operation, writes } from '../../program/operation.js'
import { getBuffer, type Program } from '../../program/program.js'
import { arithmeticOf, type Roofline, rooflineOf } from '../../program/roofline.js'
import type { ProfiledGroup, ProfiledOperation, ProfiledPhase, ProfiledStep, ProfiledWork } from './report.js'
import type { PlannedStep } from './steps.js'

/** What the clocks said of a step, repeat by repeat. */
export interface Measured {
  readonly planned: PlannedStep
  readonly walls: readonly number[]
  readonly operations: readonly Float64Array[]
}

/**
 * Puts times beside costs. Operations and the host have their medians over the repeats; a step takes what these add up to,
 * so that one disturbed operation of one repeat counts nowhere.
 */
export function phaseOf(
  phase: ProfiledPhase['phase'],
  program: Program,
  measured: readonly Measured[],
  limits: DeviceLimits | undefined,
): ProfiledPhase {
  const steps = measured.map(stepOf)
  const operations = program.operations.map((op, index) => {
    const nanoseconds = sum(steps.map((step) => step.operations[index]!))
    const works = measured.map(({ planned }) => workOf(program, op, planned, limits))
    return { index, kind: op.kind, ...nameOf(program, op), ...total(works, nanoseconds), ...boundOf(works) }
  })
  const groups = groupsOf(operations)
  const nanoseconds = sum(steps.map((step) => step.nanoseconds))
  const tokens = sum(steps.map((step) => step.tokens))
  return {
    phase,
    steps,
    ...total(operations, nanoseconds),
    hostNanoseconds: sum(steps.map((step) => step.hostNanoseconds)),
    tokensPerSecond: (tokens / nanoseconds) * 1e9,
    groups,
    operations,
  }
}

function stepOf({ planned, walls, operations }: Measured): ProfiledStep {
  const { queries } = planned.shape
  const medians = Array.from(operations[0]!, (_, index) => median(operations.map((times) => times[index]!)))
  const host = median(walls.map((wall, repeat) => Math.max(0, wall - sum([...operations[repeat]!]))))
  return {
    tokens: sum(queries.map(({ length }) => length)),
    context: Math.max(...queries.map(({ context }) => context)),
    nanoseconds: sum(medians) + host,
    hostNanoseconds: host,
    operations: medians,
  }
}

type Work = Pick<ProfiledWork, 'bytesRead' | 'bytesWritten' | 'flops' | 'rooflineNanoseconds'> &
  Partial<Pick<Roofline, 'bound'>>

function workOf(program: Program, op: Operation, { shape }: PlannedStep, limits: DeviceLimits | undefined): Work {
  const cost = costOf(program, op, shape)
  if (!limits) return cost
  const { nanoseconds, bound } = rooflineOf(cost, arithmeticOf(program, op), limits)
  return { ...cost, rooflineNanoseconds: nanoseconds, bound }
}

function total(works: readonly Work[], nanoseconds: number): ProfiledWork {
  const roofline = sum(works.map(({ rooflineNanoseconds = Number.NaN }) => rooflineNanoseconds))
  return {
    bytesRead: sum(works.map(({ bytesRead }) => bytesRead)),
    bytesWritten: sum(works.map(({ bytesWritten }) => bytesWritten)),
    flops: sum(works.map(({ flops }) => flops)),
    nanoseconds,
    ...(Number.isFinite(roofline) && { rooflineNanoseconds: roofline }),
    ...(roofline > 0 && nanoseconds > 0 && { ratio: roofline / nanoseconds }),
  }
}

/** The bound that most of the roofline time comes from. */
function boundOf(works: readonly Work[]): Partial<Pick<Roofline, 'bound'>> {
  const [largest] = [...works].sort((a, b) => (b.rooflineNanoseconds ?? 0) - (a.rooflineNanoseconds ?? 0))
  return largest?.bound && (largest.rooflineNanoseconds ?? 0) > 0 ? { bound: largest.bound } : {}
}

/** Operations by kind and role, in the order in which each first stands in the program. */
function groupsOf(operations: readonly ProfiledOperation[]): ProfiledGroup[] {
  const groups = new Map<string, ProfiledOperation[]>()
  for (const operation of operations) {
    const key = `${operation.kind} ${operation.role}`
    groups.set(key, [...(groups.get(key) ?? []), operation])
  }
  return [...groups.values()].map((members) => {
    const [{ kind, role }] = members as [ProfiledOperation]
    const nanoseconds = sum(members.map((member) => member.nanoseconds))
    return { kind, role, count: members.length, ...total(members, nanoseconds), ...boundOf(members) }
  })
}

/** `layers.3.qkv` is layer 3's `qkv`. */
function nameOf(program: Program, op: Operation): Pick<ProfiledOperation, 'name' | 'role' | 'layer'> {
  const written = writes(op).find((ref) => getBuffer(program, ref).kind !== 'cache')
  if (written === undefined) return { name: op.kind, role: op.kind }
  const [, layer, role] = /^layers\.(\d+)\.(.+)$/.exec(written) ?? []
  return layer === undefined ? { name: written, role: written } : { name: written, role: role!, layer: Number(layer) }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0)
}
