import { choice, EMPTY, type Expression, optional, repeat, rule, sequence, text } from '../expression.js'
import { parseRegularExpression } from '../regular-expression.js'
import { enclosed, member, then } from './any-value.js'
import type { SchemaRules } from './compile-schema.js'
import { stringExpression } from './scalars.js'
import { asSchema, invalidSchema, nonNegative, type Schema, table, texts, unsupportedSchema } from './schema.js'
import { anyTextBut, escaped, inQuotes } from './text.js'

interface Property {
  readonly pair: Expression
  readonly required: boolean
}

/**
 * Properties in the schema's order. Others come only where the schema speaks of them: where `additionalProperties` or
 * `patternProperties` does, or where nothing is said of properties at all.
 */
export function objectExpression(schema: Schema, path: string, rules: SchemaRules): Expression {
  const named = table(schema, 'properties', path) ?? {}
  const required = new Set(texts(schema, 'required', path) ?? [])
  const further = furtherPairs(schema, path, Object.keys(named), required, rules)
  const { properties, forbidden } = namedPairs(schema, path, named, required, rules)
  for (const name of forbidden) {
    if (required.has(name)) throw invalidSchema(path, `the property ${JSON.stringify(name)} is required and forbidden`)
  }
  const { min, max } = counts(schema, path)
  const least = properties.filter((property) => property.required).length
  if (least > max) throw invalidSchema(path, `${least} properties are required and ${max} allowed`)
  if (properties.length === 0 && further) {
    if (min > 1) throw unsupportedSchema(path, 'minProperties above 1 is supported only where as many are required')
    const more = sequence(then(','), further)
    const some = max === 0 ? EMPTY : sequence(further, repeat(more, 0, max - 1))
    return enclosed('{', min === 0 ? optional(some) : some, '}')
  }
  if (min > least)
    throw unsupportedSchema(path, 'minProperties is supported only where as many properties are required')
  if (Number.isFinite(max) && (properties.length > max || further)) {
    throw unsupportedSchema(path, 'maxProperties is supported only without other property keywords')
  }
  return enclosed('{', inOrder(properties, further, rules), '}')
}

function counts(schema: Schema, path: string): { min: number; max: number } {
  return {
    min: nonNegative(schema, 'minProperties', path) ?? 0,
    max: nonNegative(schema, 'maxProperties', path) ?? Number.POSITIVE_INFINITY,
  }
}

function namedPairs(
  schema: Schema,
  path: string,
  named: Readonly<Record<string, unknown>>,
  required: ReadonlySet<string>,
  rules: SchemaRules,
): { properties: Property[]; forbidden: string[] } {
  const entries = Object.entries(named)
  // What is required and nowhere described is as additional properties are.
  const { additionalProperties: rest = true } = schema
  for (const name of required) if (!Object.hasOwn(named, name)) entries.push([name, rest])
  checkNames(
    schema,
    path,
    entries.map(([name]) => name),
  )
  const allowed = entries.filter(([, value]) => value !== false)
  const properties = allowed.map(([name, value]) => ({
    pair: member(text(JSON.stringify(name)), rules.of(value, `${path}/properties/${name}`)),
    required: required.has(name),
  }))
  return { properties, forbidden: entries.filter(([, value]) => value === false).map(([name]) => name) }
}

/** Named properties that a pattern speaks of, too, would have to satisfy both. */
function checkNames(schema: Schema, path: string, names: readonly string[]): void {
  if (names.length === 0) return
  for (const keyword of ['patternProperties', 'propertyNames']) {
    if (schema[keyword] === undefined) continue
    throw unsupportedSchema(
      path,
      `${keyword} beside named properties is not supported; write the names out or use patterns only`,
    )
  }
}

function furtherPairs(
  schema: Schema,
  path: string,
  names: readonly string[],
  required: ReadonlySet<string>,
  rules: SchemaRules,
): Expression | undefined {
  const patterns = Object.entries(table(schema, 'patternProperties', path) ?? {})
  if (patterns.length > 1) {
    throw unsupportedSchema(
      path,
      'several patternProperties are not supported: a name could match two; write one pattern',
    )
  }
  if (patterns.length === 1) {
    const [[pattern, value]] = patterns as [[string, unknown]]
    if (schema.propertyNames !== undefined)
      throw unsupportedSchema(path, 'propertyNames beside patternProperties is not supported')
    const name = inQuotes(escaped(parseRegularExpression(pattern, 'anywhere')))
    return member(name, rules.of(value, `${path}/patternProperties`))
  }
  const { additionalProperties = schema.unevaluatedProperties, propertyNames } = schema
  if (additionalProperties === false) return undefined
  const taken = [...names, ...required]
  if (additionalProperties === undefined && taken.length > 0) return undefined
  const value = rules.of(additionalProperties ?? true, `${path}/additionalProperties`)
  if (propertyNames !== undefined) return member(nameExpression(propertyNames, `${path}/propertyNames`, rules), value)
  return member(taken.length === 0 ? rule('string') : inQuotes(anyTextBut([...new Set(taken)])), value)
}

function nameExpression(value: unknown, path: string, rules: SchemaRules): Expression {
  if (value === true || value === false) return rules.of(value === true ? { type: 'string' } : value, path)
  const schema = asSchema(value, path)
  if (schema.type !== undefined && schema.type !== 'string') throw invalidSchema(path, 'names of properties are texts')
  const { pattern, minLength, maxLength, format } = schema
  const plain = { pattern, minLength, maxLength, format }
  if (schema.enum !== undefined || schema.const !== undefined || schema.$ref !== undefined) {
    return rules.of({ type: 'string', ...schema }, path)
  }
  return stringExpression(plain, path)
}

/** Once something stands there, each further property brings its comma. */
function inOrder(properties: readonly Property[], further: Expression | undefined, rules: SchemaRules): Expression {
  let after: Expression = further ? repeat(sequence(then(','), further), 0) : EMPTY
  let first: Expression = further ? optional(sequence(further, after)) : EMPTY
  for (const { pair, required } of properties.toReversed()) {
    const tail = rule(rules.add('more', after))
    const begun = sequence(pair, tail)
    first = required ? begun : choice(begun, rule(rules.add('first', first)))
    const next = sequence(then(','), pair, tail)
    after = required ? next : choice(next, tail)
  }
  return first
}
