import type { Expression } from '../expression.js'
import { NOTHING, repeat } from '../expression.js'
import { parseRegularExpression } from '../regular-expression.js'
import type { SchemaRules } from './compile-schema.js'
import { FORMAT_NAMES, formatExpression, isUnsupportedFormat } from './formats.js'
import { lengthsOf } from './lengths.js'
import { type Bound, integersWithin, multiplesOf, numbersWithin } from './numbers.js'
import { finite, invalidSchema, nonNegative, type Schema, unsupportedSchema } from './schema.js'
import { escaped, inQuotes, JSON_CHARACTER } from './text.js'

const MOST_REMAINDERS = 512

export function stringExpression(schema: Schema, path: string): Expression {
  const min = nonNegative(schema, 'minLength', path) ?? 0
  const max = nonNegative(schema, 'maxLength', path) ?? Number.POSITIVE_INFINITY
  if (min > max) throw invalidSchema(path, `a text of at least ${min} and at most ${max} characters is impossible`)
  const shaped = patternOf(schema, path)
  if (!shaped) return inQuotes(repeat(JSON_CHARACTER, min, max))
  return inQuotes(escaped(fitted(shaped, min, max, path)))
}

function patternOf({ pattern, format }: Schema, path: string): Expression | undefined {
  if (pattern !== undefined && typeof pattern !== 'string') throw invalidSchema(path, 'pattern must be a text')
  if (format !== undefined && typeof format !== 'string') throw invalidSchema(path, 'format must be a text')
  const formatted = format === undefined ? undefined : formatExpression(format)
  if (format !== undefined && isUnsupportedFormat(format)) {
    throw unsupportedSchema(path, `the format ${format} is not supported; there are ${FORMAT_NAMES.join(', ')}`)
  }
  if (pattern !== undefined && formatted) {
    throw unsupportedSchema(path, 'pattern and format at once are not supported; write a pattern that says both')
  }
  return pattern === undefined ? formatted : parseRegularExpression(pattern, 'anywhere')
}

/** A pattern within lengths: as it is where it has no others, or (any characters around a pattern) with bounded ones. */
function fitted(shaped: Expression, min: number, max: number, path: string): Expression {
  const { least, most } = lengthsOf(shaped)
  if (least >= min && most <= max) return shaped
  const bounded = boundedRepeat(shaped, min, max)
  if (bounded) return bounded
  throw unsupportedSchema(
    path,
    `the pattern's texts have ${least} to ${most} characters, and minLength and maxLength ask for ${min} to ${max}; count within the pattern, [a-z]{${min},${Number.isFinite(max) ? max : ''}} for example`,
  )
}

/** `[a-z]+` and the like: the lengths become the counts. */
function boundedRepeat(shaped: Expression, min: number, max: number): Expression | undefined {
  const inner = shaped.kind === 'sequence' && shaped.parts.length === 1 ? shaped.parts[0]! : shaped
  if (inner.kind !== 'repeat' || inner.body.kind !== 'class') return undefined
  const [least, most] = [Math.max(min, inner.min), Math.min(max, inner.max)]
  return least > most ? NOTHING : repeat(inner.body, least, most)
}

export function numberExpression(
  type: 'integer' | 'number',
  schema: Schema,
  path: string,
  rules: SchemaRules,
): Expression {
  const low = tighter(bound(schema, 'minimum', path), finite(schema, 'exclusiveMinimum', path), Math.max)
  const high = tighter(bound(schema, 'maximum', path), finite(schema, 'exclusiveMaximum', path), Math.min)
  const divisor = finite(schema, 'multipleOf', path)
  if (divisor !== undefined) return multiples(divisor, low, high, path, rules)
  if (type === 'integer') return integersWithin(low, high)
  const found = numbersWithin(low, high)
  if (!found) throw unsupportedSchema(path, 'bounds of numbers must have at most 15 digits before and behind the point')
  return found
}

function bound(schema: Schema, keyword: string, path: string): Bound | undefined {
  const value = finite(schema, keyword, path)
  return value === undefined ? undefined : { value, exclusive: false }
}

function tighter(
  inclusive: Bound | undefined,
  exclusive: number | undefined,
  narrower: (a: number, b: number) => number,
): Bound | undefined {
  if (exclusive === undefined) return inclusive
  if (inclusive && inclusive.value !== exclusive && narrower(inclusive.value, exclusive) === inclusive.value)
    return inclusive
  return { value: exclusive, exclusive: true }
}

/** Whole numbers only, all of them or few enough to list. */
function multiples(
  divisor: number,
  low: Bound | undefined,
  high: Bound | undefined,
  path: string,
  rules: SchemaRules,
): Expression {
  if (!Number.isSafeInteger(divisor) || divisor < 1) {
    throw unsupportedSchema(path, 'multipleOf is supported for whole numbers from 1 only')
  }
  if (divisor === 1) return integersWithin(low, high)
  if (!low && !high) {
    if (divisor > MOST_REMAINDERS)
      throw unsupportedSchema(path, `multipleOf is supported up to ${MOST_REMAINDERS}, or with bounds`)
    return multiplesOf(divisor, rules.add('multiple', NOTHING), rules.rules)
  }
  const [from, to] = [
    low ? Math.ceil(low.value / divisor) : -Infinity,
    high ? Math.floor(high.value / divisor) : Infinity,
  ]
  if (to - from > MOST_REMAINDERS) {
    throw unsupportedSchema(path, `multipleOf within bounds is supported for up to ${MOST_REMAINDERS} values`)
  }
  const values = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => (from + i) * divisor)
  const within = values.filter((value) => {
    return !(low?.exclusive && value <= low.value) && !(high?.exclusive && value >= high.value)
  })
  return { kind: 'choice', options: within.map((value) => ({ kind: 'text', text: `${value || 0}` })) }
}
