import { setTimeout as pause } from 'node:timers/promises'
import { type Agreement, agreement, type Truth } from './agreement.js'
import { type ColdStart, coldStarts } from './cold-start.js'
import type { EngineProcess } from './engine-process.js'
import type { Entrant, EntrantName } from './entrants.js'
import { between, type Limits, type LimitsMeter } from './limits.js'
import type { Shape } from './shapes.js'
import { type Sample, sample } from './statistics.js'
import { CONTESTS, type Storage } from './targets.js'
import { limitOf, type Plan, randomPrompts, run, type Workload, workloadsOf } from './workloads.js'

/** One workload: tokens a second of everyone, round by round, and what the machine allowed in those rounds. */
export interface Race {
  readonly workload: Workload
  readonly rates: ReadonlyMap<EntrantName, Sample>
  readonly limit: Sample | undefined
}

export interface ContestResult {
  readonly shape: Shape
  readonly storage: Storage
  readonly rounds: number
  readonly races: readonly Race[]
  readonly coldStarts: ReadonlyMap<EntrantName, ColdStart>
  readonly agreements: ReadonlyMap<EntrantName, Agreement>
  /** Bytes at most, each alone in its process. */
  readonly peakMemory: ReadonlyMap<EntrantName, number>
  /** All measurements of the machine that were made between the runs. */
  readonly limits: readonly Limits[]
  /** Why someone did not take part, or not to the end. */
  readonly failures: ReadonlyMap<EntrantName, string>
}

export interface Arena {
  readonly shape: Shape
  readonly plan: Plan
  readonly limits: LimitsMeter | undefined
  readonly truth: Truth
  readonly say: (line: string) => void
}

/** All workloads of one shape and storage, everyone loaded side by side and running in turn. */
export async function contest(arena: Arena, storage: Storage, entrants: readonly Entrant[]): Promise<ContestResult> {
  const { shape, plan, truth, say } = arena
  const failures = new Map<EntrantName, string>()
  const measured: Limits[] = []
  const cold = await coldStarts(entrants, plan, shape, failures)
  const engines = new Map<EntrantName, EngineProcess>()
  const agreements = new Map<EntrantName, Agreement>()
  const peakMemory = new Map<EntrantName, number>()
  const attempt = async (name: EntrantName, action: (engine: EngineProcess) => Promise<void>) => {
    const engine = engines.get(name)!
    try {
      await action(engine)
    } catch (error) {
      failures.set(name, (error as Error).message)
      engines.delete(name)
      await engine.close()
    }
  }
  try {
    for (const { name, setup, start } of entrants) {
      if (failures.has(name)) continue
      engines.set(name, start())
      await attempt(name, async (engine) => {
        await engine.load(setup)
        agreements.set(name, await agreement(engine, truth, CONTESTS[storage].tolerance))
      })
    }
    const races: Race[] = []
    for (const workload of workloadsOf(plan)) {
      say(`${shape.title} ${storage}: ${workload.title}`)
      races.push(await race(arena, storage, workload, engines, attempt, measured))
    }
    for (const name of [...engines.keys()]) {
      await attempt(name, async (engine) => void peakMemory.set(name, await engine.peakMemory()))
    }
    const seen = { coldStarts: cold, agreements, peakMemory, limits: measured, failures }
    return { shape, storage, rounds: plan.rounds, races, ...seen }
  } finally {
    await Promise.all([...engines.values()].map((engine) => engine.close()))
  }
}

type Attempt = (name: EntrantName, action: (engine: EngineProcess) => Promise<void>) => Promise<void>

async function race(
  { shape, plan, limits }: Arena,
  storage: Storage,
  workload: Workload,
  engines: ReadonlyMap<EntrantName, EngineProcess>,
  attempt: Attempt,
  measured: Limits[],
): Promise<Race> {
  const rates = new Map<EntrantName, number[]>([...engines.keys()].map((name) => [name, []]))
  const allowed: number[] = []
  // The round before the first warms caches and is not counted.
  let before: Limits | undefined
  for (let round = -1; round < plan.rounds; round++) {
    const prompts = randomPrompts(shape, workload)
    const order = [...engines.keys()]
    for (const name of round % 2 === 0 ? order : order.reverse()) {
      await pause(plan.settleMs)
      await attempt(name, async (engine) => {
        const rate = await run(engine, workload, prompts)
        if (round >= 0) rates.get(name)!.push(rate)
      })
    }
    await pause(plan.settleMs)
    const after = await limits?.measure()
    if (after) measured.push(after)
    const limit = before && after && limitOf(shape, workload, CONTESTS[storage], between(before, after))
    if (limit) allowed.push(limit)
    before = after
  }
  const complete = [...rates].filter(([name]) => engines.has(name))
  return {
    workload,
    rates: new Map(complete.map(([name, values]) => [name, sample(values)])),
    limit: allowed.length === plan.rounds ? sample(allowed) : undefined,
  }
}
