import assert from 'node:assert/strict'
import { test } from 'node:test'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { anyObjectGrammar, schemaGrammar } from '../../src/grammar/index.js'
import { Random } from '../support/random.js'
import { schemas, TREE } from './schemas.js'
import { accepts, matcherOf, walk } from './support.js'

/** Reports the keywords that the standard calls annotations as such, and understands OpenAPI's `nullable`. */
function validator(schema: object) {
  const ajv = new Ajv2020.default({ strict: false, allErrors: false, validateFormats: true })
  addFormats.default(ajv)
  return ajv.compile(schema)
}

/** Undefined where the schema contradicts itself or asks for what is refused. */
function matcherOrNone(schema: object) {
  try {
    return matcherOf(schemaGrammar(schema))
  } catch (error) {
    const { code } = error as { code?: string }
    assert.match(
      code ?? String(error),
      /^(schema-invalid|schema-unsupported|grammar-invalid|grammar-too-complex)$/,
      JSON.stringify(schema),
    )
    return undefined
  }
}

test('what is made by a schema’s masks parses and satisfies the schema', () => {
  let made = 0
  fc.assert(
    fc.property(schemas, fc.nat(), (schema, seed) => {
      const matcher = matcherOrNone(schema)
      if (!matcher) return
      const validate = validator(schema)
      const random = new Random(seed)
      for (let i = 0; i < 3; i++) {
        const { text, complete } = walk(matcher, random, 250, 2)
        if (!complete) continue
        made++
        assert.ok(
          validate(JSON.parse(text)),
          `${text} for ${JSON.stringify(schema)}: ${JSON.stringify(validate.errors)}`,
        )
      }
    }),
    { numRuns: 200 },
  )
  assert.ok(made > 150, `only ${made} texts were complete`)
})

test('a schema that contains itself', () => {
  const matcher = matcherOf(schemaGrammar(TREE))
  const validate = validator(TREE)
  for (let seed = 0; seed < 100; seed++) {
    const { text, complete } = walk(matcher, new Random(seed), 300)
    assert.ok(!complete || validate(JSON.parse(text)), text)
  }
  assert.ok(accepts(matcher, '{"value":1,"children":[{"value":null,"children":[]}]}'))
})

test('any JSON object', () => {
  const matcher = matcherOf(anyObjectGrammar())
  for (let seed = 0; seed < 200; seed++) {
    const { text, complete } = walk(matcher, new Random(seed), 300)
    if (complete) assert.equal(typeof JSON.parse(text), 'object')
    else assert.throws(() => JSON.parse(text))
  }
  for (const text of [
    '{}',
    '{ "a": [1, -2.5e3, true, null, "\\ud83d\\ude00 \\" é"] }',
    '{\n  "a": {\n    "b": ""\n  }\n}',
  ]) {
    assert.ok(accepts(matcher, text), text)
  }
  for (const text of ['[]', '1', '{"a":01}', '{"a":"\\ud800"}', '{"a":1,}', '{"a":\u0001}', '{a:1}', '{"a":1}}']) {
    assert.ok(!accepts(matcher, text), text)
  }
})

test('integers and numbers within bounds are exactly those', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1200, max: 1200 }),
      fc.nat(1500),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.integer({ min: -30000, max: 30000 }), { minLength: 30, maxLength: 30 }),
      (low, width, exclusiveLow, exclusiveHigh, samples) => {
        const [a, b] = [low / 10, (low + width) / 10]
        const schema = {
          ...(exclusiveLow ? { exclusiveMinimum: a } : { minimum: a }),
          ...(exclusiveHigh ? { exclusiveMaximum: b } : { maximum: b }),
        }
        const inside = (x: number) => (exclusiveLow ? x > a : x >= a) && (exclusiveHigh ? x < b : x <= b)
        const numbers = matcherOrNone({ type: 'number', ...schema })
        const integers = matcherOrNone({ type: 'integer', ...schema })
        for (const sample of [...samples, 10 * low, 10 * (low + width), 10 * low + 1, 10 * (low + width) - 1]) {
          const x = sample / 100
          if (x === 0) continue
          assert.equal(numbers ? accepts(numbers, String(x)) : false, inside(x), `${x} in ${JSON.stringify(schema)}`)
          if (Number.isInteger(x))
            assert.equal(
              integers ? accepts(integers, String(x)) : false,
              inside(x),
              `${x} in ${JSON.stringify(schema)}`,
            )
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('properties come in the schema’s order, optional ones or not, further ones only where they are asked for', () => {
  const properties = { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } }
  const matcher = matcherOf(schemaGrammar({ type: 'object', properties, required: ['b'] }))
  for (const text of ['{"b":1}', '{"a":1,"b":2}', '{"b":1,"c":2}', '{"a":1, "b": 2,\n"c":3}'])
    assert.ok(accepts(matcher, text), text)
  for (const text of ['{}', '{"a":1}', '{"b":1,"a":2}', '{"b":1,"d":2}', '{"b":1,"b":2}', '{,"b":1}', '{"b":1,}'])
    assert.ok(!accepts(matcher, text), text)
  const open = matcherOf(schemaGrammar({ type: 'object', properties, additionalProperties: { type: 'null' } }))
  for (const text of ['{}', '{"x":null}', '{"a":1,"ab":null,"":null}']) assert.ok(accepts(open, text), text)
  for (const text of ['{"a":null}', '{"x":1}', '{"x":null,"a":1}', '{"\\u0061":null}'])
    assert.ok(!accepts(open, text), text)
})

test('references are joined with what stands beside them', () => {
  const schema = {
    $defs: {
      named: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
      aged: { type: 'object', properties: { age: { type: 'integer' } }, required: ['age'] },
    },
    allOf: [{ $ref: '#/$defs/named' }, { $ref: '#/$defs/aged' }],
    properties: { age: { maximum: 9 } },
  }
  const matcher = matcherOf(schemaGrammar(schema))
  const [right, wrong] = ['{"age":3,"name":"x"}', '{"name":"x","age":3}'].map((text) => accepts(matcher, text))
  assert.ok(right !== wrong)
  assert.ok(!accepts(matcher, '{"age":33,"name":"x"}'))
  const validate = validator(schema)
  for (let seed = 0; seed < 20; seed++) {
    const { text, complete } = walk(matcher, new Random(seed), 200, 1)
    assert.ok(!complete || validate(JSON.parse(text)), text)
  }
})

test('what is not supported is refused by name, and what is wrong says where', () => {
  for (const [schema, code, message] of [
    [{ not: { type: 'string' } }, 'schema-unsupported', /not/],
    [{ if: {} }, 'schema-unsupported', /if/],
    [{ type: 'array', uniqueItems: true }, 'schema-unsupported', /uniqueItems/],
    [{ type: 'array', contains: {} }, 'schema-unsupported', /contains/],
    [{ type: 'object', dependentRequired: {} }, 'schema-unsupported', /dependentRequired/],
    [{ type: 'string', format: 'iri' }, 'schema-unsupported', /iri/],
    [{ type: 'string', minLenght: 3 }, 'schema-unsupported', /minLenght/],
    [{ oneOf: [{ type: 'string' }, { type: 'string', maxLength: 3 }] }, 'schema-unsupported', /oneOf/],
    [{ $ref: 'https://example.com/schema' }, 'schema-unsupported', /example/],
    [{ type: 'number', multipleOf: 0.5 }, 'schema-unsupported', /multipleOf/],
    [{ properties: { a: { type: 'strin' } } }, 'schema-invalid', /#\/properties\/a/],
    [{ $ref: '#/$defs/none' }, 'schema-invalid', /leads nowhere/],
    [{ type: 'string', minLength: 5, maxLength: 3 }, 'schema-invalid', /impossible/],
    [{ type: 'string', pattern: '(?=a)' }, 'grammar-unsupported', /ahead/],
    [{ $ref: '#' }, 'grammar-invalid', /./],
    [{ enum: [] }, 'grammar-invalid', /no text/],
    [false, 'grammar-invalid', /no text/],
    ['string', 'schema-invalid', /object/],
    [{ allOf: [{ type: 'string' }, { type: 'null' }] }, 'schema-invalid', /type/],
  ] as const) {
    assert.throws(() => matcherOf(schemaGrammar(schema)), { code, message }, JSON.stringify(schema))
  }
})

test('hostile schemas are refused in little time', () => {
  let deep: object = { type: 'string' }
  for (let i = 0; i < 3000; i++) deep = { type: 'array', items: deep }
  const cyclic: Record<string, unknown> = { type: 'object' }
  cyclic.properties = { cyclic }
  const large = { enum: Array.from({ length: 60_000 }, (_, i) => `value ${i}`) }
  const wide = { properties: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`p${i}`, {}])) }
  const doubling: { $defs: Record<string, object>; $ref: string } = { $defs: {}, $ref: '#/$defs/d0' }
  for (let i = 0; i < 40; i++) {
    doubling.$defs[`d${i}`] = {
      allOf: [
        { $ref: `#/$defs/d${i + 1}`, minItems: i },
        { $ref: `#/$defs/d${i + 1}`, maxItems: 99 },
      ],
    }
  }
  doubling.$defs.d40 = { type: 'array' }
  for (const [name, schema] of Object.entries({ deep, cyclic, large, wide, doubling })) {
    assert.throws(
      () => matcherOf(schemaGrammar(schema)),
      (error: { code?: string }) => /^(grammar-too-complex|schema-invalid|schema-unsupported)$/.test(error.code ?? ''),
      name,
    )
  }
  const loop = {
    $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { allOf: [{ $ref: '#/$defs/a' }] } },
    $ref: '#/$defs/a',
  }
  assert.throws(
    () => matcherOf(schemaGrammar(loop)),
    (error: { code?: string }) => /^grammar-/.test(error.code ?? ''),
  )
  assert.equal(accepts(matcherOf(schemaGrammar({ type: 'string', minLength: 1e6 })), '"a"'), false)
})
