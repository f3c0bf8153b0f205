import { ANNOTATIONS, finite, invalidSchema, type Schema, type SchemaType, TYPES, unsupportedSchema } from './schema.js'

/** The keywords that say something. */
export function withoutAnnotations(schema: Schema): Schema {
  return Object.fromEntries(
    Object.entries(schema).filter(([keyword, value]) => {
      return value !== undefined && !ANNOTATIONS.includes(keyword) && !keyword.startsWith('x-')
    }),
  )
}

/** A schema for what both allow. Parts that cannot be joined into one stand side by side in `allOf`, of properties and items. */
export function mergeSchemas(a: Schema, b: Schema, path: string): Schema {
  const merged: Record<string, unknown> = { ...a }
  for (const [keyword, value] of Object.entries(b)) {
    const other = merged[keyword]
    merged[keyword] = other === undefined || same(other, value) ? value : join(keyword, other, value, path)
  }
  closeOff(merged, a, b)
  return merged
}

function join(keyword: string, a: unknown, b: unknown, path: string): unknown {
  switch (keyword) {
    case 'type':
      return joinTypes(a, b, path)
    case 'minimum':
    case 'exclusiveMinimum':
    case 'minLength':
    case 'minItems':
    case 'minProperties':
      return Math.max(finite({ a }, 'a', path)!, finite({ b }, 'b', path)!)
    case 'maximum':
    case 'exclusiveMaximum':
    case 'maxLength':
    case 'maxItems':
    case 'maxProperties':
      return Math.min(finite({ a }, 'a', path)!, finite({ b }, 'b', path)!)
    case 'required':
      return [...new Set([...(a as string[]), ...(b as string[])])]
    case 'enum':
      return (a as unknown[]).filter((value) => (b as unknown[]).some((other) => same(value, other)))
    case 'properties':
      return joinTables(a as Schema, b as Schema)
    case 'items':
    case 'additionalProperties':
    case 'propertyNames':
      return bothOf(a, b)
    case 'nullable':
      return a === true && b === true
    case 'uniqueItems':
      return a === true || b === true
    default:
      throw unsupportedSchema(path, `two different ${keyword} at once are not supported; write one that says both`)
  }
}

function joinTypes(a: unknown, b: unknown, path: string): SchemaType[] {
  const lists = [a, b].map((value) => (Array.isArray(value) ? value : [value]) as SchemaType[])
  const allows = (list: readonly SchemaType[], type: SchemaType) =>
    list.includes(type) || (type === 'integer' && list.includes('number'))
  const common = TYPES.filter((type) => lists.every((list) => allows(list, type)))
  // Integers are numbers already.
  const types = common.includes('number') ? common.filter((type) => type !== 'integer') : common
  if (types.length === 0) throw invalidSchema(path, 'no type satisfies all of it')
  return types
}

function joinTables(a: Schema, b: Schema): Schema {
  const joined = new Map(Object.entries(a))
  for (const [name, value] of Object.entries(b)) {
    joined.set(name, joined.has(name) ? bothOf(joined.get(name), value) : value)
  }
  return Object.fromEntries(joined)
}

function bothOf(a: unknown, b: unknown): unknown {
  if (a === false || b === false) return false
  if (a === true) return b
  return b === true ? a : { allOf: [a, b] }
}

/** A schema that forbids further properties forbids those which the other names; one with a rule for them rules those, too. */
function closeOff(merged: Record<string, unknown>, a: Schema, b: Schema): void {
  const properties = merged.properties as Record<string, unknown> | undefined
  if (!properties) return
  const kept = new Map(Object.entries(properties))
  for (const part of [a, b]) {
    const { additionalProperties: rest } = part
    if (rest === undefined || rest === true) continue
    for (const name of Object.keys(properties)) {
      if (Object.hasOwn((part.properties as object | undefined) ?? {}, name)) continue
      kept.set(name, rest === false ? false : bothOf(kept.get(name), rest))
    }
  }
  merged.properties = Object.fromEntries(kept)
}

export function same(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b)
}

/** One text for values that are equal as JSON. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  const entries = Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1))
  return `{${entries.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join()}}`
}
