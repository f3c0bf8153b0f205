import { WarplineError } from '../../errors.js'

/** A JSON Schema object; every keyword is checked before it is believed. */
export type Schema = { readonly [keyword: string]: unknown }

export const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean', 'null'] as const
export type SchemaType = (typeof TYPES)[number]

/** Keywords by the type of value that they speak of. */
export const KEYWORDS_OF: Readonly<Record<'object' | 'array' | 'string' | 'number', readonly string[]>> = {
  object: [
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'propertyNames',
    'minProperties',
    'maxProperties',
    'unevaluatedProperties',
  ],
  array: ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
}

const GENERAL = ['type', 'enum', 'const', 'anyOf', 'oneOf', 'allOf', '$ref', 'nullable']

/** They say nothing of what is allowed. */
export const ANNOTATIONS: readonly string[] = [
  'title',
  'description',
  'default',
  'example',
  'examples',
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentMediaType',
  'contentEncoding',
  'discriminator',
  'strict',
]

/** What JSON Schema knows and is not made here. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  not: 'describe what is allowed instead',
  if: 'use anyOf with the cases written out',
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: 'use anyOf with the cases written out',
  else: 'use anyOf with the cases written out',
  dependentRequired: 'use anyOf with the cases written out',
  dependentSchemas: 'use anyOf with the cases written out',
  dependencies: 'use anyOf with the cases written out',
  contains: 'describe all items with items or prefixItems',
  minContains: 'describe all items with items or prefixItems',
  maxContains: 'describe all items with items or prefixItems',
  contentSchema: 'leave it out',
  $dynamicRef: 'use $ref',
  $recursiveRef: 'use $ref',
  $anchor: 'use $ref with #/$defs/...',
  $dynamicAnchor: 'use $ref with #/$defs/...',
  $vocabulary: 'leave it out',
}

export const SUPPORTED: readonly string[] = [...GENERAL, ...Object.values(KEYWORDS_OF).flat()]

export function invalidSchema(path: string, why: string): WarplineError {
  return new WarplineError('schema-invalid', `the schema at ${path}: ${why}`)
}

export function unsupportedSchema(path: string, why: string): WarplineError {
  return new WarplineError('schema-unsupported', `the schema at ${path}: ${why}`)
}

/** An object of known keywords, or true (anything) as an object without any. */
export function asSchema(value: unknown, path: string): Schema {
  if (value === true) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidSchema(path, 'a schema is an object, true or false')
  }
  for (const keyword of Object.keys(value)) {
    if (SUPPORTED.includes(keyword) || ANNOTATIONS.includes(keyword) || keyword.startsWith('x-')) continue
    if (Object.hasOwn(UNSUPPORTED, keyword)) {
      throw unsupportedSchema(path, `the keyword ${keyword} is not supported; ${UNSUPPORTED[keyword]}`)
    }
    throw unsupportedSchema(
      path,
      `${JSON.stringify(keyword.slice(0, 60))} is no keyword that is known here; leave it out`,
    )
  }
  return value as Schema
}

export function nonNegative(schema: Schema, keyword: string, path: string): number | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw invalidSchema(path, `${keyword} must be a whole number of at least 0`)
  }
  return value as number
}

export function finite(schema: Schema, keyword: string, path: string): number | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidSchema(path, `${keyword} must be a number`)
  return value
}

export function texts(schema: Schema, keyword: string, path: string): readonly string[] | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string')) {
    throw invalidSchema(path, `${keyword} must be a list of texts`)
  }
  return value
}

export function list(schema: Schema, keyword: string, path: string): readonly unknown[] | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw invalidSchema(path, `${keyword} must be a list`)
  return value
}

export function table(schema: Schema, keyword: string, path: string): Readonly<Record<string, unknown>> | undefined {
  const value = schema[keyword]
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidSchema(path, `${keyword} must be an object`)
  }
  return value as Readonly<Record<string, unknown>>
}

/** The types that the schema allows, as it says or as its keywords speak of them. */
export function typesOf(schema: Schema, path: string): readonly SchemaType[] {
  const { type } = schema
  const named = type === undefined ? undefined : Array.isArray(type) ? type : [type]
  for (const name of named ?? []) {
    if (!TYPES.includes(name))
      throw invalidSchema(path, `the type ${JSON.stringify(name)?.slice(0, 60)} is none of ${TYPES.join(', ')}`)
  }
  const nullable = schema.nullable === true ? (['null'] as const) : []
  if (named) return [...new Set([...(named as SchemaType[]), ...nullable])]
  // A schema that only speaks of objects allows any number, too, by the letter; nobody means that.
  const spokenOf = (['object', 'array', 'string', 'number'] as const).filter((kind) =>
    KEYWORDS_OF[kind].some((keyword) => schema[keyword] !== undefined),
  )
  return spokenOf.length > 0 ? [...spokenOf, ...nullable] : TYPES.filter((kind) => kind !== 'integer')
}
