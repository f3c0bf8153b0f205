/** Numbers as decimal texts. What is written is at most what JavaScript's numbers tell apart. */
import { characters, choice, EMPTY, type Expression, NOTHING, optional, repeat, sequence, text } from '../expression.js'

const DIGIT = characters('09')
const MOST_DIGITS = 15
const MOST_FRACTION = 15

export const ANY_INTEGER: Expression = sequence(
  optional(text('-')),
  choice(text('0'), sequence(characters('19'), repeat(DIGIT, 0, MOST_DIGITS - 1))),
)

export const ANY_NUMBER: Expression = sequence(
  ANY_INTEGER,
  optional(sequence(text('.'), repeat(DIGIT, 1, MOST_FRACTION))),
  optional(sequence(characters('E', 'e'), optional(characters('+', '-')), repeat(DIGIT, 1, 2))),
)

/** A bound of a range of numbers. */
export interface Bound {
  readonly value: number
  readonly exclusive: boolean
}

/** Integers within the bounds, both of at most 15 digits. */
export function integersWithin(low: Bound | undefined, high: Bound | undefined): Expression {
  const most = 10 ** MOST_DIGITS - 1
  const first = low ? Math.max(-most, low.exclusive ? Math.floor(low.value) + 1 : Math.ceil(low.value)) : -most
  const last = high ? Math.min(most, high.exclusive ? Math.ceil(high.value) - 1 : Math.floor(high.value)) : most
  if (first > last) return NOTHING
  const options: Expression[] = []
  if (first < 0) {
    options.push(sequence(text('-'), naturals(BigInt(Math.max(1, -last)), BigInt(-first))))
  }
  if (last >= 0) options.push(naturals(BigInt(Math.max(0, first)), BigInt(last)))
  return choice(...options)
}

/** Whole numbers from `low` to `high`, without leading zeros. */
function naturals(low: bigint, high: bigint): Expression {
  if (low > high) return NOTHING
  const options: Expression[] = []
  for (let length = `${low}`.length; length <= `${high}`.length; length++) {
    const least = length === 1 ? 0n : 10n ** BigInt(length - 1)
    const from = low > least ? low : least
    const to = high < 10n ** BigInt(length) - 1n ? high : 10n ** BigInt(length) - 1n
    if (from <= to) options.push(sameLength(`${from}`, `${to}`))
  }
  return choice(...options)
}

/** Digits from `low` to `high`, which have equally many. */
function sameLength(low: string, high: string): Expression {
  if (low === '') return EMPTY
  const [first, last] = [low[0]!, high[0]!]
  const rest = low.length - 1
  const free = /^0*$/.test(low.slice(1)) && /^9*$/.test(high.slice(1))
  if (free) return sequence(digits(first, last), repeat(DIGIT, rest, rest))
  if (first === last) return sequence(text(first), sameLength(low.slice(1), high.slice(1)))
  const options: Expression[] = [
    sequence(text(first), sameLength(low.slice(1), '9'.repeat(rest))),
    sequence(text(last), sameLength('0'.repeat(rest), high.slice(1))),
  ]
  if (Number(last) - Number(first) > 1) {
    options.push(sequence(digits(`${Number(first) + 1}`, `${Number(last) - 1}`), repeat(DIGIT, rest, rest)))
  }
  return choice(...options)
}

function digits(first: string, last: string): Expression {
  return characters(first === last ? first : first + last)
}

/** Decimal numbers within the bounds, without exponents; undefined where a bound needs one. */
export function numbersWithin(low: Bound | undefined, high: Bound | undefined): Expression | undefined {
  const from = low && decimalOf(low.value)
  const to = high && decimalOf(high.value)
  if ((low && !from) || (high && !to)) return undefined
  const negative = (bound: Bound): Bound => ({ value: -bound.value, exclusive: bound.exclusive })
  const options: Expression[] = []
  if (!low || low.value < 0) {
    // From -x down is from x up. The zeros belong to the other half.
    const least = high && high.value < 0 ? negative(high) : { value: 0, exclusive: true }
    options.push(sequence(text('-'), magnitudes(least, low && negative(low))))
  }
  if (!high || high.value > 0 || (high.value === 0 && !high.exclusive)) {
    const least = low && low.value >= 0 ? low : { value: 0, exclusive: false }
    options.push(magnitudes(least, high))
  }
  return choice(...options)
}

interface Decimal {
  readonly whole: bigint
  /** Digits behind the point, without zeros at the end. */
  readonly fraction: string
}

function decimalOf(value: number): Decimal | undefined {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(String(Math.abs(value))) ?? []
  if (whole === undefined || whole.length > MOST_DIGITS || fraction.length > MOST_FRACTION) return undefined
  return { whole: BigInt(whole), fraction: fraction.replace(/0+$/, '') }
}

/** Numbers of at least 0. */
function magnitudes(low: Bound, high: Bound | undefined): Expression {
  const from = decimalOf(low.value)!
  const to = high
    ? decimalOf(high.value)!
    : { whole: 10n ** BigInt(MOST_DIGITS) - 1n, fraction: '9'.repeat(MOST_FRACTION) }
  const anyFraction = optional(sequence(text('.'), repeat(DIGIT, 1, MOST_FRACTION)))
  if (from.whole > to.whole) return NOTHING
  if (from.whole === to.whole) {
    return sequence(text(`${from.whole}`), between(from.fraction, low.exclusive, to.fraction, high?.exclusive ?? false))
  }
  return choice(
    sequence(text(`${from.whole}`), atLeast(from.fraction, low.exclusive)),
    sequence(naturals(from.whole + 1n, to.whole - 1n), anyFraction),
    sequence(text(`${to.whole}`), atMost(to.fraction, high?.exclusive ?? false)),
  )
}

const MORE = repeat(DIGIT, 0, MOST_FRACTION)

/** A fraction (with its point, or none) of at least these digits. */
function atLeast(fraction: string, exclusive: boolean): Expression {
  const point = (inside: Expression) => sequence(text('.'), inside)
  if (fraction === '') return exclusive ? point(positive()) : optional(point(repeat(DIGIT, 1, MOST_FRACTION)))
  return point(above(fraction, exclusive))
}

function positive(): Expression {
  return sequence(repeat(text('0'), 0, MOST_FRACTION), characters('19'), MORE)
}

function above(fraction: string, exclusive: boolean): Expression {
  if (fraction === '') return exclusive ? positive() : MORE
  const options: Expression[] = [sequence(text(fraction[0]!), above(fraction.slice(1), exclusive))]
  if (fraction[0] !== '9') options.push(sequence(digits(`${Number(fraction[0]) + 1}`, '9'), MORE))
  return choice(...options)
}

/** A fraction (with its point, or none) of at most these digits, which do not end with a zero. */
function atMost(fraction: string, exclusive: boolean): Expression {
  if (fraction === '') return exclusive ? NOTHING : optional(sequence(text('.'), repeat(text('0'), 1, 3)))
  return optional(sequence(text('.'), below(fraction, exclusive).some))
}

/** Digits that, as a fraction, are below: possibly none. */
function below(fraction: string, exclusive: boolean): { mayBeEmpty: boolean; some: Expression } {
  if (fraction === '')
    return exclusive ? { mayBeEmpty: false, some: NOTHING } : { mayBeEmpty: true, some: repeat(text('0'), 1, 3) }
  const rest = below(fraction.slice(1), exclusive)
  const options: Expression[] = [sequence(text(fraction[0]!), rest.mayBeEmpty ? optional(rest.some) : rest.some)]
  if (fraction[0] !== '0') options.push(sequence(digits('0', `${Number(fraction[0]) - 1}`), MORE))
  // What ends early is less, since the digits do not end with a zero.
  return { mayBeEmpty: true, some: choice(...options) }
}

/** Both bounds have the same whole part. */
function between(low: string, lowExclusive: boolean, high: string, highExclusive: boolean): Expression {
  const options: Expression[] = []
  if (low === '' && !lowExclusive && !(high === '' && highExclusive)) options.push(EMPTY)
  options.push(sequence(text('.'), strictlyBetween(low, lowExclusive, high, highExclusive)))
  return choice(...options)
}

/** At least one digit; `low` and `high` stand for themselves with zeros behind. */
function strictlyBetween(low: string, lowExclusive: boolean, high: string, highExclusive: boolean): Expression {
  if (low === '' && high === '') return lowExclusive || highExclusive ? NOTHING : repeat(text('0'), 1, 3)
  const [l, h] = [low[0] ?? '0', high[0] ?? '0']
  if (l > h) return NOTHING
  const options: Expression[] = []
  if (l === h) {
    const rest = strictlyBetween(low.slice(1), lowExclusive, high.slice(1), highExclusive)
    options.push(sequence(text(l), rest))
    if (low.slice(1) === '' && !lowExclusive && !(high.slice(1) === '' && highExclusive)) options.push(text(l))
  } else {
    options.push(
      sequence(text(l), low.slice(1) === '' && lowExclusive ? positive() : above(low.slice(1), lowExclusive)),
    )
    const rest = below(high.slice(1), highExclusive)
    options.push(sequence(text(h), rest.mayBeEmpty ? optional(rest.some) : rest.some))
    if (Number(h) - Number(l) > 1) options.push(sequence(digits(`${Number(l) + 1}`, `${Number(h) - 1}`), MORE))
  }
  return choice(...options)
}

/** Integers that `divisor` divides, as a machine over their digits: a rule for each remainder and number of digits left. */
export function multiplesOf(divisor: number, name: string, rules: Map<string, Expression>): Expression {
  const state = (remainder: number, left: number): Expression => ({
    kind: 'rule',
    name: `${name}:${remainder}:${left}`,
  })
  for (let left = 0; left < MOST_DIGITS; left++) {
    for (let remainder = 0; remainder < divisor; remainder++) {
      const options: Expression[] = remainder === 0 ? [EMPTY] : []
      for (let digit = 0; digit < 10 && left > 0; digit++) {
        options.push(sequence(text(`${digit}`), state((remainder * 10 + digit) % divisor, left - 1)))
      }
      rules.set(`${name}:${remainder}:${left}`, choice(...options))
    }
  }
  const firsts = Array.from({ length: 9 }, (_, i) => i + 1)
  const first = firsts.map((digit) => sequence(text(`${digit}`), state(digit % divisor, MOST_DIGITS - 1)))
  return choice(text('0'), sequence(optional(text('-')), choice(...first)))
}
