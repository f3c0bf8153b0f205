import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonReader, quoted } from '../../src/weights/strict-json.js'

class Refused extends Error {}

function accepts(text: string): boolean {
  const reader = new JsonReader(text, (problem) => new Refused(problem))
  try {
    reader.skip()
    reader.end()
    return true
  } catch (error) {
    if (error instanceof Refused) return false
    throw error
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('what JSON.stringify writes is accepted, however it is spaced', () => {
  const value = fc.jsonValue({ maxDepth: 6 })
  fc.assert(
    fc.property(value, fc.constantFrom(0, 1, '\t', ' \n'), (v, space) => accepts(JSON.stringify(v, null, space))),
  )
})

test('damaged JSON is accepted exactly where JSON.parse accepts it', () => {
  // One key an object: three edits are too few to make a duplicate, which only JSON.parse would accept.
  const sample = fc.constantFrom('{"a":[1,-2.5e3,true,"x\\n\\u00e9",{"d":null}]}', '[0,"abcdef",{}]', '{"__proto__":1}')
  const edit = fc.record({
    at: fc.nat(50),
    put: fc.constantFrom('', ...'{}[]",:\\0123-+.eEtu \n\u0001\u00e9'),
    cut: fc.nat(1),
  })
  fc.assert(
    fc.property(sample, fc.array(edit, { maxLength: 3 }), (text, edits) => {
      const damaged = edits.reduce<string>((s, { at, put, cut }) => s.slice(0, at) + put + s.slice(at + cut), text)
      assert.equal(accepts(damaged), isJson(damaged), damaged)
    }),
    { numRuns: 5000 },
  )
})

test('duplicate keys are refused at any depth, also when one is written with an escape', () => {
  assert.ok(!accepts('{"a":1,"a":1}'))
  assert.ok(!accepts('{"x":[{"y":{"a":1,"b":2,"a":3}}]}'))
  assert.ok(!accepts('{"a":1,"\\u0061":2}'))
  assert.ok(!accepts('{"__proto__":1,"__proto__":1}'))
  assert.ok(accepts('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}'))
})

test('deep nesting and endless numbers are refused, not followed', () => {
  assert.ok(accepts('['.repeat(64) + ']'.repeat(64)))
  assert.ok(!accepts('['.repeat(65) + ']'.repeat(65)))
  assert.ok(!accepts('['.repeat(1_000_000)))
  assert.ok(!accepts('{"a":'.repeat(1_000_000)))
  assert.ok(!accepts('1'.repeat(1_000_000)))
})

test('a count is a whole number that a double holds exactly', () => {
  const count = (text: string) => new JsonReader(text, (problem) => new Refused(problem)).count()
  assert.equal(count('0'), 0)
  assert.equal(count(' 9007199254740991'), Number.MAX_SAFE_INTEGER)
  for (const text of ['-1', '-0', '1.0', '1e3', '9007199254740992', '1e999', '"1"', 'null', '', '01', '+1']) {
    assert.throws(() => count(text), Refused, text)
  }
})

test('half a surrogate pair is refused, a whole one is a character', () => {
  assert.ok(!accepts('"\\ud83d"'))
  assert.ok(accepts('"\\ud83d\\ude00"'))
})

test('names in messages are short and cannot steer a terminal', () => {
  assert.equal(quoted('a\n\u001b[2J\u009b\u202e'), '"a\\n\\u001b[2J\\u009b\\u202e"')
  assert.ok(quoted('x'.repeat(10_000)).length < 130)
})
