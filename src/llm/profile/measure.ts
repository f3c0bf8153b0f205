import type { DeviceLimits, Executor } from '../../backend/executor.js'
import { WarplineError } from '../../errors.js'
import type { Measured } from './phase.js'
import { decodeSteps, type PlannedStep, promptSteps, type StepPlan } from './steps.js'

export interface MeasureOptions {
  /** For messages. */
  readonly device: string
  readonly repeats: number
  readonly signal: AbortSignal | undefined
}

export interface Measurements {
  readonly prompt: readonly Measured[]
  readonly decode: readonly Measured[]
  readonly limits: DeviceLimits | undefined
}

/** Runs a prompt and a decode step on an executor that nobody else uses. */
export async function measureSteps(
  executor: Executor,
  plan: StepPlan,
  { device, repeats, signal }: MeasureOptions,
): Promise<Measurements> {
  if (!executor.profile) {
    throw new WarplineError(
      'device-unavailable',
      `device ${device} cannot tell operations apart; choose another one with device`,
    )
  }
  const before = await executor.measureLimits?.()
  const prompt = await timed(executor, promptSteps(plan), repeats, signal)
  const { fill, step } = decodeSteps(plan, Math.ceil(plan.tokens / plan.blockSize))
  await executor.step(fill)
  const decode = await timed(executor, [step], repeats, signal)
  const after = await executor.measureLimits?.()
  return { prompt, decode, limits: before && after && better(before, after) }
}

/** Runs the steps in order, once for nothing and then as often as asked. */
async function timed(
  executor: Executor,
  steps: readonly PlannedStep[],
  repeats: number,
  signal: AbortSignal | undefined,
): Promise<Measured[]> {
  const measured = steps.map((planned) => ({ planned, walls: [] as number[], operations: [] as Float64Array[] }))
  for (let repeat = -1; repeat < repeats; repeat++) {
    for (const { planned, walls, operations } of measured) {
      signal?.throwIfAborted()
      const started = performance.now()
      const { nanoseconds } = await executor.profile!(planned.inputs)
      if (repeat < 0) continue
      walls.push((performance.now() - started) * 1e6)
      operations.push(nanoseconds.slice())
    }
  }
  return measured
}

/** Limits are what can be reached: whatever else the machine did only made them too low. */
function better(a: DeviceLimits, b: DeviceLimits): DeviceLimits {
  const types = Object.keys(a.operations) as (keyof DeviceLimits['operations'])[]
  return {
    readBytes: Math.max(a.readBytes, b.readBytes),
    operations: Object.fromEntries(types.map((type) => [type, Math.max(a.operations[type]!, b.operations[type] ?? 0)])),
  }
}
