import type { ColdStart } from './cold-start.js'
import type { ContestResult, Race } from './contest.js'
import { WARPLINE } from './entrants.js'
import type { Family } from './shapes.js'
import { best, ratio, type Sample } from './statistics.js'
import { CONTESTS, DECODE, FIRST_TOKEN, type RivalName, type Storage } from './targets.js'

export type Outcome = 'met' | 'within spread' | 'missed' | 'not measured'

/** A target and what came of it. */
export interface Verdict {
  readonly target: string
  readonly outcome: Outcome
}

/** Warpline's rate over another's, or over the limit. */
export interface Comparison {
  readonly to: RivalName | 'limit'
  readonly ratio: Sample
}

/** Ratios to everyone beside Warpline and to the limit; none where Warpline did not run. */
export function compare({ rates, limit }: Race): Comparison[] {
  const ours = rates.get(WARPLINE)
  if (!ours) return []
  const rivals = [...rates].flatMap(([name, rate]) =>
    name === WARPLINE ? [] : [{ to: name, ratio: ratio(ours, rate) }],
  )
  return [...rivals, ...(limit ? [{ to: 'limit' as const, ratio: ratio(ours, limit) }] : [])]
}

export function judgeRace(storage: Storage, race: Race): Verdict[] {
  const { peers, prompt } = CONTESTS[storage]
  if (race.workload.kind === 'prompt') {
    return prompt.map(({ times, of }) => {
      const name = fastest(race, of)
      const target = `${times}x ${name ?? of.join(' or ')}`
      return { target, outcome: atLeast(name && find(race, name), times) }
    })
  }
  const decode = DECODE[race.workload.batch]
  if (!decode) return []
  const name = fastest(race, peers)
  const target = `${decode.times}x ${name ?? peers.join(' or ')}, or ${100 * decode.ofLimit} % of the limit`
  const reached = [atLeast(name && find(race, name), decode.times), atLeast(find(race, 'limit'), decode.ofLimit)]
  // Either is enough, so that one alone cannot miss what the other was not measured for.
  const order: Outcome[] = ['met', 'within spread', 'not measured', 'missed']
  return [{ target, outcome: order.find((outcome) => reached.includes(outcome))! }]
}

export function judgeColdStart(family: Family, start: ColdStart | undefined): Verdict[] {
  const seconds = FIRST_TOKEN[family]
  if (seconds === undefined) return []
  const target = `first token within ${seconds} s`
  if (!start) return [{ target, outcome: 'not measured' }]
  const { median, spread } = start.firstToken
  return [{ target, outcome: median <= seconds ? 'met' : median - spread <= seconds ? 'within spread' : 'missed' }]
}

/** Who failed, or computes something else. */
export function failuresOf({ shape, storage, agreements, failures }: ContestResult): string[] {
  const at = `${shape.title} ${storage}`
  return [
    ...[...failures].map(([name, reason]) => `${at}: ${name} failed: ${reason}`),
    ...[...agreements].flatMap(([name, { agrees, error }]) =>
      agrees ? [] : [`${at}: ${name} computes something else (error ${error.toPrecision(2)})`],
    ),
  ]
}

/** Targets that were missed by more than the spread, or not measured. */
export function missesOf({ shape, storage, races, coldStarts }: ContestResult): string[] {
  const verdicts = [
    ...races.flatMap((race) => judgeRace(storage, race).map((verdict) => ({ title: race.workload.title, ...verdict }))),
    ...judgeColdStart(shape.family, coldStarts.get(WARPLINE)).map((verdict) => ({ title: 'cold start', ...verdict })),
  ]
  return verdicts
    .filter(({ outcome }) => outcome === 'missed' || outcome === 'not measured')
    .map(({ title, target, outcome }) => `${shape.title} ${storage}: ${title}: ${target}: ${outcome}`)
}

function fastest({ rates }: Race, names: readonly RivalName[]): RivalName | undefined {
  return best(names.flatMap((name) => (rates.has(name) ? [{ name, rate: rates.get(name)! }] : [])))?.name
}

function find(race: Race, to: RivalName | 'limit'): Sample | undefined {
  return compare(race).find((comparison) => comparison.to === to)?.ratio
}

function atLeast(found: Sample | undefined, wanted: number): Outcome {
  if (!found) return 'not measured'
  if (found.median >= wanted) return 'met'
  return found.median + found.spread >= wanted ? 'within spread' : 'missed'
}
