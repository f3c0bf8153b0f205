import type { ProfiledOperation, ProfiledPhase, ProfiledWork, ProfileReport } from '../index.js'
import { formatQuantity } from '../program/print.js'

export interface TableStyle {
  /** Columns of the terminal. */
  readonly width: number
  readonly colour: boolean
  /** Every operation, in place of each role's sum over the layers. */
  readonly operations: boolean
}

/** A profile as text. */
export function profileText(report: ProfileReport, style: TableStyle): string {
  const blocks = [limitsLine(report), ...report.phases.map((phase) => phaseText(phase, report, style))]
  const cached = report.phases.some(({ groups }) => groups.some(({ ratio = 0 }) => ratio > 1.05))
  if (cached) blocks.push("above 100 %: the data came from the processor's caches, and the limit is that of memory")
  return blocks.join('\n\n')
}

function limitsLine({ limits, device }: ProfileReport): string {
  if (!limits) return `the limits of device ${device} are not known: times stand alone`
  const rates = Object.entries(limits.operations).map(([type, rate]) => `${type} ${formatQuantity(rate, 'FLOP/s')}`)
  return `limits, measured in this run: ${formatQuantity(limits.readBytes, 'B/s')}; ${rates.join(', ')}`
}

function phaseText(phase: ProfiledPhase, report: ProfileReport, style: TableStyle): string {
  const { tokens, batch, context } = report.shape
  const { nanoseconds, tokensPerSecond, steps } = phase
  const what =
    phase.phase === 'prompt'
      ? `prompt of ${tokens} tokens${steps.length > 1 ? ` in ${steps.length} steps` : ''}`
      : `decode step, batch ${batch}, context ${context}`
  const rate = `${tokensPerSecond < 10 ? tokensPerSecond.toFixed(2) : tokensPerSecond.toFixed(0)} tok/s`
  const least = phase.rooflineNanoseconds
  const limit = least === undefined ? '' : `; at the limits ${duration(least)}: ${percent(least / nanoseconds)}`
  const lines = [`${what}: ${duration(nanoseconds)}, ${rate}${limit}`, stripOf(phase, style)]
  return [...lines, ...tableLines(phase, style)].join('\n')
}

interface Row {
  readonly label: string
  readonly count: string
  readonly work: Partial<ProfiledWork> & { readonly nanoseconds: number }
  readonly bound: string
}

function rowsOf(phase: ProfiledPhase, { operations }: TableStyle): Row[] {
  const named: Row[] = operations
    ? phase.operations.map((one) => ({ label: label(one.kind, one.name), count: String(one.index), ...common(one) }))
    : phase.groups.map((one) => ({ label: label(one.kind, one.role), count: `${one.count} x`, ...common(one) }))
  const host: Row = { label: 'host', count: '', work: { nanoseconds: phase.hostNanoseconds }, bound: '' }
  return [...named, host].filter(({ work }) => work.nanoseconds > 0 || work.rooflineNanoseconds)
}

function label(kind: string, name: string): string {
  return kind === name ? kind : `${kind} ${name}`
}

function common(one: ProfiledWork & Pick<ProfiledOperation, 'bound'>): Pick<Row, 'work' | 'bound'> {
  return { work: one, bound: one.bound ?? '' }
}

const HEADINGS = ['operation', '', 'time', 'share', 'bytes', 'FLOP', 'at limit', 'ratio', 'bound']
const WIDEST_BAR = 40
const NARROWEST_BAR = 10

function tableLines(phase: ProfiledPhase, style: TableStyle): string[] {
  const rows = rowsOf(phase, style)
  const cells = rows.map(({ label, count, work, bound }) => {
    const { nanoseconds, bytesRead = 0, bytesWritten = 0, flops = 0, rooflineNanoseconds, ratio } = work
    return [
      label,
      count,
      duration(nanoseconds),
      percent(nanoseconds / phase.nanoseconds),
      bytesRead + bytesWritten > 0 ? formatQuantity(bytesRead + bytesWritten, 'B') : '',
      flops > 0 ? formatQuantity(flops, '').trim() : '',
      rooflineNanoseconds ? duration(rooflineNanoseconds) : '',
      ratio === undefined ? '' : percent(ratio),
      bound,
    ]
  })
  const all = [HEADINGS, ...cells]
  const widths = HEADINGS.map((_, i) => Math.max(...all.map((line) => line[i]!.length)))
  const left = new Set([0, 8])
  const texts = all.map((line) =>
    line.map((cell, i) => (left.has(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  )
  const room = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, style.width - texts[0]!.length - 2))
  const longest = Math.max(...rows.map(({ work }) => work.nanoseconds))
  const bars = rows.map(({ work }) => barOf(work, longest, room, style.colour))
  return texts.map((text, i) => `${text}  ${i === 0 ? '' : bars[i - 1]}`.trimEnd())
}

/** As long as the time; its solid part is the time at the limits, what is left may be gained. */
function barOf(
  { nanoseconds, rooflineNanoseconds = 0 }: Row['work'],
  longest: number,
  room: number,
  colour: boolean,
): string {
  const length = Math.round((nanoseconds / longest) * room)
  const solid = Math.min(length, Math.round((rooflineNanoseconds / longest) * room))
  return paint('█'.repeat(solid), 32, colour) + paint('░'.repeat(length - solid), 33, colour)
}

/** The whole step as one line, each role as wide as its share, in the order of the program. */
function stripOf(phase: ProfiledPhase, { width, colour }: TableStyle): string {
  const room = Math.min(width, 120) - 1
  const host = { role: 'host', nanoseconds: phase.hostNanoseconds }
  const parts = [...phase.groups, host].filter(({ nanoseconds }) => nanoseconds > 0)
  const whole = parts.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0)
  let passed = 0
  let column = 0
  const segments = parts.map(({ role, nanoseconds }, i) => {
    passed += nanoseconds
    const end = Math.round((passed / whole) * room)
    const length = end - column
    column = end
    if (length === 0) return ''
    const label = role.length < length ? role : role.slice(0, length - 1)
    return paint(`|${label.padEnd(length - 1, ' ')}`, i % 2 === 0 ? 7 : 0, colour)
  })
  return `${segments.join('')}|`
}

/** SGR codes of ECMA-48: 7 swaps the colours, 32 is green, 33 yellow. */
function paint(text: string, code: number, colour: boolean): string {
  return colour && text.length > 0 ? `\x1b[${code}m${text}\x1b[0m` : text
}

function duration(nanoseconds: number): string {
  if (nanoseconds >= 1e9) return `${(nanoseconds / 1e9).toFixed(2)} s`
  if (nanoseconds >= 1e6) return `${(nanoseconds / 1e6).toFixed(2)} ms`
  return `${(nanoseconds / 1e3).toFixed(1)} us`
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`
}
