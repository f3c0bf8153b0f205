import { same } from './merge.js'
import type { Schema, SchemaType } from './schema.js'
import { hasType } from './value-check.js'

const MOST_DEPTH = 8

/** Whether surely no value satisfies both. `look` follows references. */
export function areDisjoint(a: Schema, b: Schema, look: (schema: unknown) => Schema, depth: number): boolean {
  if (depth > MOST_DEPTH) return false
  const [listA, listB] = [valuesOf(a), valuesOf(b)]
  if (listA && listB) return !listA.some((value) => listB.some((other) => same(value, other)))
  const [typesA, typesB] = [namedTypes(a), namedTypes(b)]
  if (listA && typesB) return !listA.some((value) => typesB.some((type) => hasType(value, type)))
  if (listB && typesA) return !listB.some((value) => typesA.some((type) => hasType(value, type)))
  if (typesA && typesB && !typesA.some((type) => typesB.some((other) => overlap(type, other)))) return true
  if (!onlyObject(typesA) || !onlyObject(typesB)) return false
  return [...requiredOf(a)].some((name) => {
    if (!requiredOf(b).has(name)) return false
    const [x, y] = [propertyOf(a, name), propertyOf(b, name)]
    return x !== undefined && y !== undefined && areDisjoint(look(x), look(y), look, depth + 1)
  })
}

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (Array.isArray(schema.enum)) return schema.enum
  return schema.const === undefined ? undefined : [schema.const]
}

function namedTypes({ type, nullable, properties }: Schema): readonly SchemaType[] | undefined {
  // As everywhere here, a schema that speaks of properties is one for objects.
  const named = type === undefined ? (properties === undefined ? undefined : ['object']) : [type].flat()
  return named && ([...named, ...(nullable === true ? ['null'] : [])] as SchemaType[])
}

function overlap(a: SchemaType, b: SchemaType): boolean {
  const numeric = (type: SchemaType) => type === 'integer' || type === 'number'
  return a === b || (numeric(a) && numeric(b))
}

function onlyObject(types: readonly SchemaType[] | undefined): boolean {
  return types?.length === 1 && types[0] === 'object'
}

function requiredOf({ required }: Schema): ReadonlySet<unknown> {
  return new Set(Array.isArray(required) ? required : [])
}

function propertyOf({ properties }: Schema, name: unknown): unknown {
  const table = properties as Record<string, unknown> | undefined
  return table && Object.hasOwn(table, name as string) ? table[name as string] : undefined
}
