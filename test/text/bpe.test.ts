import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Bpe } from '../../src/text/bpe.js'
import { readMerges } from '../../src/text/tokenizer-json.js'

const letters = ['a', 'b', 'c', 'd']

/** A vocabulary over four letters whose merges are random pairs of tokens made so far. */
const models = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 30 }).map((pairs) => {
  const tokens = [...letters]
  const merges: [string, string][] = []
  for (const [a, b] of pairs) {
    const [left, right] = [tokens[a % tokens.length]!, tokens[b % tokens.length]!]
    if (tokens.includes(left + right) || left.length + right.length > 12) continue
    merges.push([left, right])
    tokens.push(left + right)
  }
  return { tokens, merges }
})

/** The definition: of all pairs that a rule joins, the best rule's leftmost, again and again. */
function mergeByDefinition(word: string, merges: readonly (readonly [string, string])[]): string[] {
  const symbols = [...word]
  for (;;) {
    let best: { rank: number; at: number } | undefined
    for (let at = 0; at + 1 < symbols.length; at++) {
      const rank = merges.findIndex(([left, right]) => left === symbols[at] && right === symbols[at + 1])
      if (rank >= 0 && (best === undefined || rank < best.rank)) best = { rank, at }
    }
    if (best === undefined) return symbols
    symbols.splice(best.at, 2, symbols[best.at]! + symbols[best.at + 1]!)
  }
}

test('words of any length are merged by the definition of byte-pair encoding', () => {
  const words = fc.string({ unit: fc.constantFrom(...letters), maxLength: 120 })
  fc.assert(
    fc.property(models, fc.array(words, { maxLength: 5 }), ({ tokens, merges }, texts) => {
      const vocabulary = new Map(tokens.map((token, id) => [token, id]))
      const bpe = new Bpe({ vocabulary, merges: readMerges(merges, vocabulary, '') })
      for (const word of [...texts, ...texts]) {
        const ids: number[] = []
        bpe.encode(word, ids)
        assert.deepEqual(
          ids.map((id) => tokens[id]),
          mergeByDefinition(word, merges),
        )
      }
    }),
    { numRuns: 300 },
  )
})

test('a megabyte without a space is encoded', () => {
  const vocabulary = new Map([...'ab'].map((token, id) => [token, id]))
  vocabulary.set('ab', 2).set('abab', 3)
  const bpe = new Bpe({
    vocabulary,
    merges: readMerges(
      [
        ['a', 'b'],
        ['ab', 'ab'],
      ],
      vocabulary,
      '',
    ),
  })
  const ids: number[] = []
  bpe.encode('ab'.repeat(1 << 19), ids)
  assert.equal(ids.length, 1 << 18)
  assert.ok(ids.every((id) => id === 3))
})

test('forbidden tokens come neither from merges nor from whole words', () => {
  const vocabulary = new Map([
    ['<', 0],
    ['s', 1],
    ['>', 2],
    ['<s', 3],
    ['<s>', 4],
  ])
  const pairs = [
    ['<', 's'],
    ['<s', '>'],
  ]
  const merges = readMerges(pairs, vocabulary, '')
  const encode = (forbidden: Set<number>) => {
    const ids: number[] = []
    new Bpe({ vocabulary, merges, ignoreMerges: true, forbidden }).encode('<s>', ids)
    return ids
  }
  assert.deepEqual(encode(new Set()), [4])
  assert.deepEqual(encode(new Set([4])), [3, 2])
})
