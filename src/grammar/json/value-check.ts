import { same } from './merge.js'
import { finite, nonNegative, type Schema, typesOf, unsupportedSchema } from './schema.js'

/** Keywords that a listed value can be held against here. */
const CHECKED = [
  'type',
  'enum',
  'const',
  'nullable',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minLength',
  'maxLength',
]

/** Whether a value listed by `enum` or `const` satisfies the keywords beside it. */
export function satisfies(value: unknown, schema: Schema, path: string): boolean {
  for (const keyword of Object.keys(schema)) {
    if (!CHECKED.includes(keyword))
      throw unsupportedSchema(path, `${keyword} beside enum or const is not supported; leave it out`)
  }
  if (schema.type !== undefined && !typesOf(schema, path).some((type) => hasType(value, type))) return false
  if (schema.const !== undefined && !same(schema.const, value)) return false
  if (schema.enum !== undefined && !(schema.enum as unknown[]).some((each) => same(each, value))) return false
  if (typeof value === 'number') {
    const { minimum: low = -Infinity, maximum: high = Infinity } = bounds(schema, path, ['minimum', 'maximum'])
    const { exclusiveMinimum: above = -Infinity, exclusiveMaximum: below = Infinity } = bounds(schema, path, [
      'exclusiveMinimum',
      'exclusiveMaximum',
    ])
    return value >= low && value <= high && value > above && value < below
  }
  if (typeof value === 'string') {
    const length = [...value].length
    const [least, most] = [
      nonNegative(schema, 'minLength', path) ?? 0,
      nonNegative(schema, 'maxLength', path) ?? Infinity,
    ]
    return length >= least && length <= most
  }
  return true
}

function bounds(schema: Schema, path: string, names: readonly string[]): Record<string, number | undefined> {
  return Object.fromEntries(names.map((name) => [name, finite(schema, name, path)]))
}

export function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}
