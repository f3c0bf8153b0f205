import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Detokenizer, Tokenizer } from '../../src/text/index.js'
import { realPath, skipWithoutReal } from '../support/real.js'
import { tinyTokenizer } from './data.js'

const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const oddDecoders = [
  { type: 'ByteFallback' },
  { type: 'Fuse' },
  { type: 'Replace', pattern: { String: '▁the' }, content: '<>' },
  { type: 'Strip', content: 't', start: 2, stop: 3 },
]

const tokenizers: Record<string, Tokenizer> = {
  'byte-level': tinyTokenizer('byte-level'),
  'byte fallback': tinyTokenizer('byte-fallback'),
  metaspace: tinyTokenizer('byte-fallback', { parts: { decoder: metaspace } }),
  'no decoder': tinyTokenizer('byte-fallback', { parts: { decoder: null } }),
  'end of word': tinyTokenizer('byte-fallback', { parts: { decoder: { type: 'BPEDecoder', suffix: 'e' } } }),
  'odd decoders': tinyTokenizer('byte-fallback', { parts: { decoder: { type: 'Sequence', decoders: oddDecoders } } }),
  'clean up': tinyTokenizer('byte-level', {
    config: { clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: true },
  }),
}

function stream(tokenizer: Tokenizer, parts: readonly number[][], skipSpecialTokens: boolean): string[] {
  const detokenizer = new Detokenizer(tokenizer, { skipSpecialTokens })
  return [...parts.map((ids) => detokenizer.push(ids)), detokenizer.finish()]
}

function checkStreaming(tokenizer: Tokenizer, runs: number): void {
  // Half of the ids are single bytes and control tokens, so that invalid UTF-8 and broken characters are common.
  const id = fc.oneof(fc.nat({ max: 260 }), fc.nat({ max: tokenizer.vocabSize + 5 }))
  const parts = fc.array(fc.array(id, { maxLength: 6 }), { maxLength: 8 })
  fc.assert(
    fc.property(parts, fc.boolean(), (groups, skipSpecialTokens) => {
      const pieces = stream(tokenizer, groups, skipSpecialTokens)
      assert.equal(pieces.join(''), tokenizer.decode(groups.flat(), { skipSpecialTokens }))
      for (const piece of pieces) assert.ok(piece.isWellFormed())
    }),
    { numRuns: runs },
  )
}

for (const [name, tokenizer] of Object.entries(tokenizers)) {
  test(`${name}: streamed pieces join to the text of decoding at once, whatever the ids`, () =>
    checkStreaming(tokenizer, 300))
}

for (const name of ['tokenizers/gpt2', 'stories15M', 'minimind2-small']) {
  test(`${name}: streamed pieces join to the text of decoding at once`, { skip: skipWithoutReal(name) }, async () => {
    checkStreaming((await Tokenizer.load(realPath(name)))!, 200)
  })
}

test('any text comes out of a stream of its tokens as it went in', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(text, (written) => {
      for (const name of ['byte-level', 'byte fallback']) {
        const tokenizer = tokenizers[name]!
        const ids = tokenizer.encode(written, { addSpecialTokens: false, allowSpecial: false })
        const pieces = stream(
          tokenizer,
          ids.map((id) => [id]),
          false,
        )
        // SentencePiece's mark for a space is the one character that it cannot tell from a space.
        assert.equal(pieces.join(''), name === 'byte-level' ? written : written.replaceAll('▁', ' '))
      }
    }),
  )
})

test('a character comes out with its last byte, and not before', () => {
  for (const name of ['byte-level', 'byte fallback']) {
    const tokenizer = tokenizers[name]!
    const ids = tokenizer.encode('猫', { addSpecialTokens: false }).slice(-3)
    const ended = [...ids, ...tokenizer.encode('.', { addSpecialTokens: false }).slice(-1)]
    assert.equal(ids.length, 3)
    const pieces = stream(
      tokenizer,
      ended.map((id) => [id]),
      false,
    )
    assert.deepEqual(pieces.slice(0, 2), ['', ''])
    assert.equal(pieces.join(''), '猫.')
    const unfinished = stream(tokenizer, [ids.slice(0, 2)], false)
    assert.deepEqual(unfinished, ['', name === 'byte-level' ? '\ufffd' : '\ufffd\ufffd'])
  }
})

test('text is not held back longer than a character: ordinary tokens come out at once', () => {
  for (const name of ['byte-level', 'byte fallback']) {
    const tokenizer = tokenizers[name]!
    const ids = tokenizer.encode('the cat sat', { addSpecialTokens: false })
    const detokenizer = new Detokenizer(tokenizer)
    for (const [i, id] of ids.entries()) {
      const expected = tokenizer.decode(ids.slice(0, i + 1)).slice(tokenizer.decode(ids.slice(0, i)).length)
      assert.equal(detokenizer.push(id), expected)
    }
  }
})

test('an id that is no whole number is refused', () => {
  for (const id of [-1, 1.5, Number.NaN]) {
    assert.throws(() => tokenizers['byte-level']!.decode([id]), { code: 'token-id-invalid' })
  }
})
