import fc from 'fast-check'

/** Schemas of every keyword that is supported, at random. */
const bound = fc.oneof(
  fc.integer({ min: -2000, max: 2000 }),
  fc.double({ min: -500, max: 500, noNaN: true }).map((x) => Number(x.toFixed(3))),
)
const few = fc.integer({ min: 0, max: 4 })
const names = fc.constantFrom('a', 'b', 'name', 'na', 'x y', 'é', 'quote"d', 'back\\', '日本')
const json = fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' })

const strings = fc.oneof(
  fc.record(
    { type: fc.constant('string'), minLength: few, maxLength: few.map((n) => n + 4) },
    { requiredKeys: ['type'] },
  ),
  fc.record({
    type: fc.constant('string'),
    pattern: fc.constantFrom('^[a-z]{2,5}$', '\\d+', '^a|b$', '^\\p{L}+"\\\\$', '^[^x]{0,3}$', '^$'),
  }),
  fc.record({
    type: fc.constant('string'),
    format: fc.constantFrom(
      'date',
      'time',
      'date-time',
      'duration',
      'email',
      'hostname',
      'ipv4',
      'ipv6',
      'uri',
      'uuid',
    ),
  }),
  fc.constant({ type: 'string', pattern: '^[ab]*$', minLength: 2, maxLength: 5 }),
)
const numbers = fc.record(
  {
    type: fc.constantFrom('integer', 'number'),
    minimum: bound,
    maximum: bound.map((x) => x + 2100),
    exclusiveMinimum: bound,
    exclusiveMaximum: bound.map((x) => x + 2100),
  },
  { requiredKeys: ['type'] },
)
const multiples = fc.oneof(
  fc.record({ type: fc.constant('integer'), multipleOf: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    type: fc.constant('integer'),
    multipleOf: fc.integer({ min: 3, max: 9 }),
    minimum: fc.constant(-50.5),
    exclusiveMaximum: fc.constant(63),
  }),
)
const plain = fc.oneof(
  fc.constantFrom<object>(
    {},
    { type: 'null' },
    { type: 'boolean' },
    { type: ['string', 'null'] },
    { type: 'object' },
    { type: 'array' },
    { type: 'integer', nullable: true },
  ),
  fc.record({ enum: fc.array(json, { minLength: 1, maxLength: 4 }) }),
  fc.record({ const: json }),
  strings,
  numbers,
  multiples,
)

export const schemas = fc.letrec<{ any: object; object: object; array: object; mixed: object }>((tie) => ({
  any: fc.oneof({ depthSize: 'small', withCrossShrink: true }, plain, tie('object'), tie('array'), tie('mixed')),
  object: fc
    .record(
      {
        properties: fc.dictionary(names, tie('any'), { maxKeys: 4 }),
        extra: fc.option(fc.oneof(fc.boolean(), tie('any')), { nil: undefined }),
        required: fc.array(names, { maxLength: 3 }),
      },
      { requiredKeys: ['properties', 'required'] },
    )
    .map(({ properties, extra, required }) => ({
      type: 'object',
      properties,
      ...(extra !== undefined && { additionalProperties: extra }),
      required:
        extra === false
          ? [...new Set(required)].filter((name) => Object.hasOwn(properties, name))
          : [...new Set(required)],
    })),
  array: fc
    .record(
      {
        items: fc.oneof(tie('any'), fc.boolean()),
        prefixItems: fc.array(tie('any'), { minLength: 1, maxLength: 3 }),
        minItems: few,
        more: few,
      },
      { requiredKeys: [] },
    )
    .map(({ items, prefixItems, minItems, more }) => ({
      type: 'array',
      ...(items !== undefined && { items }),
      ...(prefixItems && { prefixItems }),
      ...(minItems !== undefined && { minItems }),
      ...(more !== undefined && { maxItems: (minItems ?? 0) + more }),
    })),
  mixed: fc.oneof(
    fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.tuple(tie('object'), tie('object')).map((allOf) => ({ allOf })),
    fc.tuple(tie('object'), tie('any')).map(([base, value]) => ({
      ...base,
      anyOf: [{ properties: { z: value }, required: ['z'] }, { required: ['a'] }],
    })),
    fc.tuple(tie('object'), tie('object')).map(([x, y]) => ({
      oneOf: [
        { ...x, properties: { kind: { const: 'x' } }, required: ['kind'], additionalProperties: false },
        { ...y, properties: { kind: { enum: ['y', 'z'] } }, required: ['kind'] },
        { type: 'integer' },
      ],
    })),
    fc.constant({
      type: 'object',
      patternProperties: { '^[xy]_\\d$': { type: 'boolean' } },
      additionalProperties: false,
    }),
    fc.constant({
      type: 'object',
      propertyNames: { pattern: '^k\\d{1,2}$' },
      additionalProperties: { type: 'null' },
      maxProperties: 2,
    }),
  ),
})).any

/** One that contains itself. */
export const TREE = {
  $defs: {
    node: {
      type: 'object',
      properties: {
        value: { $ref: '#/$defs/value' },
        children: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 2 },
      },
      required: ['value'],
      additionalProperties: false,
    },
    value: { type: ['integer', 'null'], description: 'a leaf' },
  },
  $ref: '#/$defs/node',
}
