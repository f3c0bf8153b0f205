/** The CPU benchmark, `npm run bench:cpu`; options.ts says how to use it, targets.ts what Warpline must reach. */
import { cpus, loadavg } from 'node:os'
import { findTruth, type Truth } from './agreement.js'
import { buildContenders } from './build-contenders.js'
import { type Arena, type ContestResult, contest } from './contest.js'
import { type Entrant, type Field, rival, WARPLINE, warpline } from './entrants.js'
import { installRivals } from './install-rivals.js'
import { LimitsMeter } from './limits.js'
import { type Options, parseOptions, USAGE } from './options.js'
import { asJson, describe } from './report.js'
import { FULL, TINY } from './shapes.js'
import { rivalsOf, type Storage } from './targets.js'
import { failuresOf, missesOf } from './verdict.js'
import { FULL_PLAN, largest, type Plan, QUICK_PLAN, workloadsOf } from './workloads.js'

const say = (line: string) => process.stderr.write(`${line}\n`)

process.exitCode = await main()

async function main(): Promise<number> {
  let options: Options
  try {
    options = parseOptions(process.argv.slice(2))
  } catch (error) {
    say(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  if (options.help) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const rivals = installRivals(say)
  const limits = await LimitsMeter.start(options.threads, say)
  const load = loadavg()[0]!
  if (load > 0.5) say(`the machine is busy (load ${load.toFixed(1)}): expect wide spreads`)
  const results: ContestResult[] = []
  try {
    const contenders = await buildContenders()
    const plan = planOf(options)
    for (const family of options.families) {
      const shape = (options.quick ? TINY : FULL)[family]
      const { device, threads } = options
      const field: Field = { shape, ...largest(workloadsOf(plan)), device, threads, rivals, contenders, say }
      const contests: { storage: Storage; entrants: Entrant[] }[] = []
      for (const storage of options.storages) {
        const entrants = [await warpline(field, storage)]
        for (const name of rivalsOf(storage)) entrants.push(await rival(field, name))
        contests.push({ storage, entrants })
      }
      if (options.prepare) continue
      const truth = await truthOf(field)
      for (const { storage, entrants } of contests) {
        const arena: Arena = { shape, plan, limits, truth, say }
        const result = await contest(arena, storage, entrants.reverse())
        results.push(result)
        if (!options.json) process.stdout.write(`${describe(result, !options.quick)}\n`)
      }
    }
  } finally {
    limits?.close()
  }
  return options.prepare ? 0 : conclude(options, results, rivals.versions)
}

/** Warpline's own float32 result; from the reference backend where the device asked for does not run. */
async function truthOf(field: Field): Promise<Truth> {
  try {
    return await findTruth(field.shape, await warpline(field, 'f32'))
  } catch (error) {
    field.say(`${(error as Error).message}; everyone is compared with the reference backend instead`)
    return findTruth(field.shape, await warpline(field, 'f32', 'reference'))
  }
}

function planOf({ quick, rounds }: Options): Plan {
  const plan = quick ? QUICK_PLAN : FULL_PLAN
  return rounds === undefined ? plan : { ...plan, rounds }
}

/** Tiny models are judged by what they compute, and Warpline's device need not offer every storage. */
function isBroken({ agreements, failures }: ContestResult): boolean {
  const wrong = [...agreements.values()].some(({ agrees }) => !agrees)
  return wrong || [...failures.keys()].some((name) => name !== WARPLINE)
}

function conclude(options: Options, results: readonly ContestResult[], peers: object): number {
  const { quick, device, threads } = options
  const failures = results.flatMap(failuresOf)
  const misses = quick ? [] : results.flatMap(missesOf)
  const failed = quick ? results.some(isBroken) : failures.length + misses.length > 0
  if (options.json) {
    const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, load: loadavg(), node: process.version }
    const contests = results.map((result) => asJson(result, !quick))
    process.stdout.write(
      `${JSON.stringify({ machine, peers, quick, device, threads, contests, failures, misses, failed })}\n`,
    )
  }
  for (const line of [...failures, ...misses]) say(line)
  return failed ? 1 : 0
}
