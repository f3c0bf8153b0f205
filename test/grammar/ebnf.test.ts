import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGrammar } from '../../src/grammar/index.js'
import { Random } from '../support/random.js'
import { accepts, matcherOf, walk } from './support.js'

test('rules, texts, classes, groups, counts, comments and lines', () => {
  const matcher = matcherOf(
    parseGrammar(`# arithmetic
root ::= sum "=" number   # what it comes to
sum  ::= product
  (("+" | "-") product)*
product ::= factor ("*" factor){0,3} |
  "\\u00e9\\x41\\n"
factor ::= number | "(" sum ")"
number ::= "-"? [0-9]+ ("." [^\\]a-z]{2})?
`),
  )
  for (const text of ['1+2=3', '(1-(2*3))*4=-9', '1.55+é' + 'A\n=0']) assert.ok(accepts(matcher, text), text)
  for (const text of ['1+=3', '1*1*1*1*1=1', '1.5=2', '1.ab=2', '=1', '1=1 ']) assert.ok(!accepts(matcher, text), text)
})

test('nested texts are as deep as they like', () => {
  const matcher = matcherOf(parseGrammar('root ::= "(" root* ")"'))
  assert.ok(accepts(matcher, `${'('.repeat(3000)}${')'.repeat(3000)}`))
  assert.ok(!accepts(matcher, `${'('.repeat(3000)}${')'.repeat(2999)}`))
  for (let seed = 0; seed < 20; seed++) {
    const { text, complete } = walk(matcher, new Random(seed), 100)
    let depth = 0
    for (const character of text) depth += character === '(' ? 1 : -1
    assert.equal(complete, depth === 0)
  }
})

test('alternatives that never end are left out', () => {
  const matcher = matcherOf(parseGrammar('root ::= "a" endless | "b"\nendless ::= "x" endless'))
  assert.ok(accepts(matcher, 'b'))
  assert.equal(walk(matcher, new Random(1)).text, 'b')
})

test('mistakes are told with their line', () => {
  for (const [source, code, message] of [
    ['a ::= "x"', 'grammar-invalid', /root/],
    ['root ::= other', 'grammar-invalid', /other/],
    ['root ::= "a"\nroot ::= "b"', 'grammar-invalid', /line 2.*twice/],
    ['root ::= "a', 'grammar-invalid', /line 1/],
    ['root ::= "a"\n\nx ::= [a', 'grammar-invalid', /line 3/],
    ['root ::= ("a"', 'grammar-invalid', /\)/],
    ['root = "a"', 'grammar-invalid', /::=/],
    ['root ::= "a" }', 'grammar-invalid', /understood/],
    ['root ::= root "a" | "b"', 'grammar-invalid', /left recursion/],
    ['root ::= x "a"\nx ::= "b"? root', 'grammar-invalid', /left recursion/],
    ['root ::= "a" root', 'grammar-invalid', /no text/],
    [`root ::= ${'('.repeat(200)}"a"${')'.repeat(200)}`, 'grammar-too-complex', /deep/],
    [`root ::= "${'a'.repeat(200_000)}"`, 'grammar-too-complex', /characters/],
    ['root ::= ("a"?){0,100000}', 'grammar-too-complex', /empty/],
  ] as const) {
    assert.throws(() => matcherOf(parseGrammar(source)), { code, message }, source.slice(0, 50))
  }
})

test('a grammar with exponentially many readings ends in an error, soon', () => {
  const matcher = matcherOf(parseGrammar('root ::= "a" (root | root root | root root root)? "a"?'))
  assert.throws(
    () => {
      let state = matcher.begin(false)
      for (let i = 0; i < 10_000; i++) {
        matcher.allowed(state)
        state = matcher.advance(state, 0x61 + 1)!
      }
    },
    { code: 'grammar-too-complex' },
  )
})

test('a list of thousands of texts', () => {
  const options = Array.from({ length: 3000 }, (_, i) => ({ kind: 'text' as const, text: `choice ${i}` }))
  const matcher = matcherOf({ root: { kind: 'choice', options }, rules: new Map() })
  for (const i of [0, 29, 299, 2999]) assert.ok(accepts(matcher, `choice ${i}`))
  assert.ok(!accepts(matcher, 'choice 3000'))
  assert.match(walk(matcher, new Random(3)).text, /^choice \d+$/)
})
