import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRegularExpression } from '../../src/grammar/index.js'
import { Random } from '../support/random.js'
import { accepts, matcherOf, walk } from './support.js'

const atoms = fc.constantFrom(
  'a',
  'b',
  'é',
  '日',
  '.',
  '[a-c]',
  '[^ab]',
  '\\d',
  '\\w',
  '\\S',
  '\\.',
  '\\u00e9',
  '[\\d-]',
  '\\p{Lu}',
  '😀',
)
const counts = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '{0,60}', '*?')
const expressions = fc.letrec<{ any: string; sequence: string; piece: string }>((tie) => ({
  any: fc.array(tie('sequence'), { minLength: 1, maxLength: 3 }).map((options) => options.join('|')),
  sequence: fc.array(tie('piece'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  piece: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(atoms, counts).map((parts) => parts.join('')),
    fc.tuple(tie('any'), counts).map(([inner, count]) => `(?:${inner})${count}`),
  ),
})).any
const texts = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', 'é', '日', '1', '-', '.', ' ', 'Z', '😀', '\n'),
  maxLength: 8,
})

const grammarOf = (source: string, anchoring: 'whole' | 'anywhere' = 'whole') => ({
  root: parseRegularExpression(source, anchoring),
  rules: new Map(),
})

/** Counts of what may be empty, within each other, are refused: when they are read or when a text shows how many ways there are. */
function unlessTooComplex<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if ((error as { code?: string }).code !== 'grammar-too-complex') throw error
    return undefined
  }
}

test('an expression takes the texts that JavaScript matches with it, and no others', () => {
  fc.assert(
    fc.property(expressions, fc.array(texts, { minLength: 10, maxLength: 10 }), (source, samples) => {
      const matcher = unlessTooComplex(() => matcherOf(grammarOf(source)))
      fc.pre(matcher !== undefined)
      const native = new RegExp(`^(?:${source})$`, 'u')
      for (const text of samples) {
        const taken: boolean | undefined = unlessTooComplex((): boolean => accepts(matcher!, text))
        if (taken !== undefined) assert.equal(taken, native.test(text), `${source} on ${text}`)
      }
    }),
    { numRuns: 80 },
  )
})

test('whatever is made by its masks matches', () => {
  fc.assert(
    fc.property(expressions, fc.nat(), (source, seed) => {
      const made = unlessTooComplex(() => walk(matcherOf(grammarOf(source)), new Random(seed), 60, 2))
      fc.pre(made !== undefined)
      const { text, complete } = made!
      assert.ok(!complete || new RegExp(`^(?:${source})$`, 'u').test(text), `${source} made ${text}`)
    }),
    { numRuns: 60 },
  )
})

test('a pattern of JSON Schema may match anywhere, unless it has anchors', () => {
  for (const source of ['b', '^b', 'b$', '^b$', '^b|c', 'a|^b$']) {
    const matcher = matcherOf(grammarOf(source, 'anywhere'))
    for (const text of ['', 'b', 'ab', 'ba', 'aba', 'c', 'ac', 'a']) {
      assert.equal(accepts(matcher, text), new RegExp(source, 'u').test(text), `${source} on ${text}`)
    }
  }
})

test('what is no language of its own is refused by name', () => {
  for (const [source, code] of [
    ['(?=a)b', 'grammar-unsupported'],
    ['(?<!a)b', 'grammar-unsupported'],
    ['(a)\\1', 'grammar-unsupported'],
    ['\\bword', 'grammar-unsupported'],
    ['a(?:^b)', 'grammar-unsupported'],
    ['(?i:a)', 'grammar-unsupported'],
    ['a$b', 'grammar-unsupported'],
    ['(a', 'grammar-invalid'],
    ['a)', 'grammar-invalid'],
    ['[a', 'grammar-invalid'],
    ['[b-a]', 'grammar-invalid'],
    ['a{3,2}', 'grammar-invalid'],
    ['*a', 'grammar-invalid'],
    ['a**', 'grammar-invalid'],
    ['\\q', 'grammar-invalid'],
    ['\\p{Nothing}', 'grammar-invalid'],
    ['\\', 'grammar-invalid'],
    ['[\\d-z]', 'grammar-invalid'],
    ['[^\\u{0}-\\u{10ffff}]', 'grammar-invalid'],
  ] as const) {
    assert.throws(() => matcherOf(grammarOf(source)), { code }, source)
  }
})

test('expressions that take others exponential time take no time to speak of, or are refused', () => {
  for (const source of [
    '(a+)+b',
    '(a|a)*b',
    '(a|ab|b)*c',
    '(?:a?){30}a{30}',
    '(a*)*b',
    '((a{1,9}){1,9}){1,9}',
    '(a|b)*a(a|b){300}',
  ]) {
    const matcher = matcherOf(grammarOf(source))
    let state = matcher.begin(false)
    try {
      for (let i = 0; i < 200; i++) {
        matcher.allowed(state)
        const next = matcher.advance(state, 0x61 + 1)
        if (!next) break
        state = next
      }
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'grammar-too-complex', source)
    }
  }
  const deep = `${'('.repeat(500)}a${')'.repeat(500)}`
  const long = 'a|'.repeat(9000)
  const large = '((a{1000}b{1000}){1000}c{1000}){1000}\\p{L}'
  for (const source of [deep, long, 'a{9999999}', '(a{0,99}){0,99}', '(((a?b?){16}){16}){16}']) {
    assert.throws(() => matcherOf(grammarOf(source)), { code: 'grammar-too-complex' }, source.slice(0, 40))
  }
  // Counts are not written out.
  assert.equal(walk(matcherOf(grammarOf(large)), new Random(1), 50).complete, false)
})
