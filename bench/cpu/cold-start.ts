import { setTimeout as pause } from 'node:timers/promises'
import type { Entrant, EntrantName } from './entrants.js'
import type { Shape } from './shapes.js'
import { type Sample, sample } from './statistics.js'
import { type Plan, randomPrompts } from './workloads.js'

/** Seconds. */
export interface ColdStart {
  /** Importing the library and loading the model. */
  readonly load: Sample
  /** From the start of the process to the first new token of a short prompt. */
  readonly firstToken: Sample
}

const PROMPT = 8

/** Everyone starts in turn, several times, alone; model files come from the system's cache. Failures end in `failures`. */
export async function coldStarts(
  entrants: readonly Entrant[],
  plan: Plan,
  shape: Shape,
  failures: Map<EntrantName, string>,
): Promise<Map<EntrantName, ColdStart>> {
  const times = new Map(entrants.map(({ name }) => [name, { load: [] as number[], firstToken: [] as number[] }]))
  // The round before the first fills that cache and is not counted.
  for (let round = -1; round < plan.coldStarts; round++) {
    for (const { name, setup, start } of entrants.filter(({ name }) => !failures.has(name))) {
      await pause(plan.settleMs)
      const started = performance.now()
      const engine = start()
      try {
        // The process answers in turn: its own start ends where this does.
        await engine.peakMemory()
        const ready = performance.now()
        await engine.load(setup)
        const loaded = performance.now()
        await engine.prompt(randomPrompts(shape, { batch: 1, tokens: PROMPT })[0]!)
        const { load, firstToken } = times.get(name)!
        if (round < 0) continue
        load.push((loaded - ready) / 1000)
        firstToken.push((performance.now() - started) / 1000)
      } catch (error) {
        failures.set(name, (error as Error).message)
      } finally {
        await engine.close()
      }
    }
  }
  return new Map(
    [...times]
      .filter(([name]) => !failures.has(name))
      .map(([name, { load, firstToken }]) => [name, { load: sample(load), firstToken: sample(firstToken) }]),
  )
}
