import type { ContestResult, Race } from './contest.js'
import { type EntrantName, WARPLINE } from './entrants.js'
import type { Limits } from './limits.js'
import { type Sample, sample } from './statistics.js'
import { compare, judgeColdStart, judgeRace, type Verdict } from './verdict.js'

/** A contest as a table for people: a row a workload, a column an entrant; targets where they count. */
export function describe(result: ContestResult, judged: boolean): string {
  const { shape, storage, races, failures, rounds } = result
  const names = entrantsOf(result)
  const head = `${shape.title}, ${storage}: tokens/s, medians of ${rounds} rounds (±: half the distance of the quartiles), ours over theirs`
  const table = [
    ['', ...names, 'limit', 'target'],
    ...races.map((race) => raceRow(result, race, names)),
    ...coldRows(result, names),
    ['peak memory', ...names.map((name) => megabytes(result.peakMemory.get(name))), '', ''],
    ['agreement', ...names.map((name) => agreementCell(result, name)), '', ''],
  ].map((row) => (judged ? row : row.slice(0, -1)))
  const notes = [...failures].map(([name, why]) => `${name} did not finish: ${why}`)
  return [head, machineLine(result), '', aligned(table), ...notes, ''].join('\n')
}

/** What the machine did between the runs. */
function machineLine({ limits }: ContestResult): string {
  if (limits.length === 0) return 'the machine was not measured'
  const of = (key: keyof Limits, scale: number) => {
    const { median, spread } = sample(limits.map((found) => found[key] * scale))
    return `${rounded(median)} ±${percent(spread / median)}`
  }
  const peaks = (['f32', 'bf16', 'int8'] as const).map((key) => `${key} ${of(key, 1e-9)}`)
  return `the machine reads ${of('read', 1e-9)} GB/s and computes, in Gop/s, ${peaks.join(', ')}`
}

/** The same as data. */
export function asJson(result: ContestResult, judged: boolean): object {
  const { shape, storage, races, coldStarts, agreements, peakMemory, limits, failures } = result
  return {
    ...{ shape, storage, limits },
    races: races.map((race) => ({
      workload: race.workload,
      tokensPerSecond: Object.fromEntries(race.rates),
      limit: race.limit,
      ratios: Object.fromEntries(compare(race).map(({ to, ratio }) => [to, ratio])),
      ...(judged && { verdicts: judgeRace(storage, race) }),
    })),
    coldStarts: Object.fromEntries(coldStarts),
    ...(judged && { coldStartVerdicts: judgeColdStart(shape.family, coldStarts.get(WARPLINE)) }),
    peakMemoryBytes: Object.fromEntries(peakMemory),
    agreements: Object.fromEntries(agreements),
    failures: Object.fromEntries(failures),
  }
}

function entrantsOf({ coldStarts, failures }: ContestResult): EntrantName[] {
  const names = new Set([...coldStarts.keys(), ...failures.keys()])
  return [WARPLINE, ...[...names].filter((name) => name !== WARPLINE)]
}

function raceRow({ storage }: ContestResult, race: Race, names: readonly EntrantName[]): string[] {
  const ratios = new Map(compare(race).map(({ to, ratio }) => [to as string, ratio]))
  const cell = (name: EntrantName) => {
    const rate = race.rates.get(name)
    const over = ratios.get(name)
    return rate ? `${quantity(rate)}${over ? `  ${over.median.toFixed(2)}x ±${over.spread.toFixed(2)}` : ''}` : '-'
  }
  const share = ratios.get('limit')
  const limit = race.limit
    ? `${rounded(race.limit.median)}${share ? `  ${percent(share.median)} ±${percent(share.spread)}` : ''}`
    : '-'
  return [race.workload.title, ...names.map(cell), limit, verdicts(judgeRace(storage, race))]
}

function coldRows({ shape, coldStarts }: ContestResult, names: readonly EntrantName[]): string[][] {
  const row = (title: string, key: 'load' | 'firstToken', target: string) => {
    const cells = names.map((name) => coldStarts.get(name)?.[key])
    return [title, ...cells.map((s) => (s ? `${s.median.toFixed(2)} s ±${s.spread.toFixed(2)}` : '-')), '', target]
  }
  const judged = verdicts(judgeColdStart(shape.family, coldStarts.get(WARPLINE)))
  return [row('load', 'load', ''), row('first token', 'firstToken', judged)]
}

function agreementCell({ agreements }: ContestResult, name: EntrantName): string {
  const found = agreements.get(name)
  if (!found) return '-'
  const { error, sameToken, prompts, tolerance, agrees } = found
  return `${agrees ? 'yes' : 'NO'}: error ${error.toPrecision(1)} of ${tolerance}, token ${sameToken}/${prompts}`
}

function verdicts(list: readonly Verdict[]): string {
  return list.map(({ target, outcome }) => `${target}: ${outcome === 'missed' ? 'MISSED' : outcome}`).join('; ')
}

function quantity({ median, spread }: Sample): string {
  return `${rounded(median)} ±${percent(spread / median)}`
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '-' : `${(bytes / 1e6).toFixed(0)} MB`
}

function rounded(value: number): string {
  return value < 100 ? value.toPrecision(3) : value.toFixed(0)
}

function aligned(table: readonly (readonly string[])[]): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('   ')
        .trimEnd(),
    )
    .join('\n')
}
