import { choice, EMPTY, type Expression, optional, repeat, sequence } from '../expression.js'
import { enclosed, then } from './any-value.js'
import type { SchemaRules } from './compile-schema.js'
import { invalidSchema, list, nonNegative, type Schema, unsupportedSchema } from './schema.js'

/** Items beyond `prefixItems` come only where `items` speaks of them. */
export function arrayExpression(schema: Schema, path: string, rules: SchemaRules): Expression {
  checkUnsupported(schema, path)
  const tuple = Array.isArray(schema.items) ? 'items' : 'prefixItems'
  const prefix = list(schema, tuple, path) ?? []
  const further = tuple === 'items' ? schema.additionalItems : (schema.items ?? schema.unevaluatedItems)
  const open = prefix.length > 0 ? further !== undefined && further !== false : further !== false
  const min = nonNegative(schema, 'minItems', path) ?? 0
  const most = nonNegative(schema, 'maxItems', path) ?? Number.POSITIVE_INFINITY
  const max = Math.min(most, open ? Number.POSITIVE_INFINITY : prefix.length)
  if (min > max) throw invalidSchema(path, `an array of at least ${min} and at most ${max} items is impossible`)
  const first = prefix.slice(0, max).map((item, i) => rules.of(item, `${path}/${tuple}/${i}`))
  const rest = open && max > prefix.length ? rules.of(further ?? true, `${path}/items`) : undefined
  return enclosed('[', items(first, rest, min, max, rules), ']')
}

function checkUnsupported(schema: Schema, path: string): void {
  if (schema.uniqueItems === true && (nonNegative(schema, 'maxItems', path) ?? 2) > 1) {
    throw unsupportedSchema(path, 'uniqueItems is not supported; leave it out and check the result')
  }
}

/** Item i is reached behind all items before it. */
function items(
  first: readonly Expression[],
  rest: Expression | undefined,
  min: number,
  max: number,
  rules: SchemaRules,
): Expression {
  // From the end: what may follow once i items stand there.
  let after: Expression = EMPTY
  if (rest !== undefined) {
    const least = Math.max(0, min - first.length)
    const most = max - first.length
    const more = sequence(then(','), rest)
    if (first.length > 0) after = repeat(more, least, most)
    else return atLeastNone(sequence(rest, repeat(more, Math.max(0, least - 1), most - 1)), min)
  }
  for (let i = first.length - 1; i >= 0; i--) {
    const item = i === 0 ? first[i]! : sequence(then(','), first[i]!)
    const whole = sequence(item, after)
    after = { kind: 'rule', name: rules.add('items', i < min ? whole : optional(whole)) }
  }
  return after
}

function atLeastNone(some: Expression, min: number): Expression {
  return min === 0 ? choice(some, EMPTY) : some
}
