import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  compileGrammar,
  Matcher,
  parseGrammar,
  parseRegularExpression,
  schemaGrammar,
} from '../../src/grammar/index.js'
import { Random } from '../support/random.js'
import { allowedIds, matcherOf, tokenBytes, vocabulary, walk } from './support.js'

const GRAMMARS = {
  object: schemaGrammar({
    type: 'object',
    properties: { name: { type: 'string', maxLength: 9 }, list: { type: 'array', items: { type: 'integer' } } },
    required: ['list'],
    additionalProperties: { type: 'boolean' },
  }),
  value: schemaGrammar(true),
  counted: schemaGrammar({ type: 'string', minLength: 7, maxLength: 30 }),
  'long counts': schemaGrammar({
    type: 'array',
    items: { type: 'string', minLength: 20, maxLength: 400 },
    minItems: 3,
    maxItems: 60,
  }),
  regex: { root: parseRegularExpression('(a|ab|\\p{L}{2,40})*"?(é|日|[^a-z]){0,3}', 'whole'), rules: new Map() },
  grammar: parseGrammar('root ::= "[" list "]" | "ab"*\nlist ::= item ("," item)*\nitem ::= root | [a-c]+ | "日本"'),
} as const

for (const [name, grammar] of Object.entries(GRAMMARS)) {
  test(`a mask allows exactly the tokens that the automaton takes: ${name}`, () => {
    const matcher = matcherOf(grammar)
    const random = new Random(name.length)
    for (let run = 0; run < 6; run++) {
      let state = matcher.begin(run % 2 === 1)
      for (let step = 0; step < 60; step++) {
        const allowed = allowedIds(matcher.allowed(state))
        const taken = [...tokenBytes.keys()].filter((id) => matcher.advance(state, id) !== undefined)
        assert.deepEqual(allowed, taken)
        if (allowed.length === 0) break
        state = matcher.advance(state, allowed[random.below(allowed.length)]!)!
      }
    }
  })
}

test('masks do not depend on what was asked before', () => {
  const automaton = compileGrammar(GRAMMARS['long counts'])
  const random = new Random(5)
  const used = new Matcher(automaton, vocabulary)
  for (let i = 0; i < 20; i++) walk(used, random, 200)
  let [a, b] = [used.begin(false), new Matcher(automaton, vocabulary).begin(false)]
  for (let i = 0; i < 300; i++) {
    const fresh = new Matcher(automaton, vocabulary)
    const mask = used.allowed(a)
    assert.deepEqual(mask, fresh.allowed(b))
    const ids = allowedIds(mask)
    if (ids.length === 0) break
    const id = ids[random.below(ids.length)]!
    a = used.advance(a, id)!
    b = fresh.advance(b, id)!
  }
})

test('a state is never changed by going on from it', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const matcher = matcherOf(GRAMMARS.object)
      const random = new Random(seed)
      let state = matcher.begin(false)
      for (let i = 0; i < 30; i++) {
        const before = matcher.allowed(state).slice()
        const ids = allowedIds(before)
        if (ids.length === 0) return
        const next = ids.map((id) => matcher.advance(state, id)!)[random.below(ids.length)]!
        assert.deepEqual(matcher.allowed(state), before)
        state = next
      }
    }),
    { numRuns: 5 },
  )
})

test('where decoders drop a first space, one may stand before the text', () => {
  const matcher = matcherOf({ root: parseRegularExpression('ab', 'whole'), rules: new Map() })
  const space = 0x20 + 1
  assert.equal(matcher.advance(matcher.begin(false), space), undefined)
  const spaced = matcher.advance(matcher.begin(true), space)!
  assert.equal(matcher.advance(spaced, space), undefined)
  assert.deepEqual(allowedIds(matcher.allowed(spaced)), allowedIds(matcher.allowed(matcher.begin(false))))
})

test('a control token stands only where the grammar names it, and has no text', () => {
  const matcher = matcherOf({
    root: {
      kind: 'sequence',
      parts: [
        { kind: 'token', id: 0 },
        { kind: 'text', text: 'ab' },
      ],
    },
    rules: new Map(),
  })
  const begin = matcher.begin(false)
  assert.deepEqual(allowedIds(matcher.allowed(begin)), [0])
  const within = matcher.advance(begin, 0)!
  assert.ok(!allowedIds(matcher.allowed(within)).includes(0))
  assert.equal(matcher.advance(within, 0), undefined)
})
