import {
  buildVocabulary,
  compileGrammar,
  type Grammar,
  Matcher,
  type MatchState,
  type Vocabulary,
} from '../../src/grammar/index.js'
import type { Random } from '../support/random.js'

/** Every byte, and pieces such as tokenizers have: across quotes and brackets, halves of characters, runs of spaces. */
const PIECES = [
  ...[
    '{"',
    '":',
    '": "',
    '",',
    '", "',
    '"}',
    '"]',
    '[{',
    '}]',
    '},',
    ']}',
    '[]',
    '{}',
    '[[',
    ' {',
    '\n  ',
    '    ',
    ': ',
    ', ',
  ],
  ...[
    'true',
    'false',
    'null',
    'ab',
    'abc',
    'name',
    'the ',
    '12',
    '0.5',
    '-1',
    '1e',
    '\\n',
    '\\u00',
    '\\"',
    'é',
    '日本',
    '😀',
    'a"',
    'aa',
    'aaaa',
  ],
]
const HALVES = [Uint8Array.of(0xe6, 0x97), Uint8Array.of(0xa5, 0x22), Uint8Array.of(0x22, 0xf0, 0x9f)]

export const tokenBytes: readonly (Uint8Array | undefined)[] = [
  undefined,
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...PIECES.map((piece) => new TextEncoder().encode(piece)),
  ...HALVES,
  // Two tokens of one spelling.
  new TextEncoder().encode('ab'),
]

/** One id more than there are tokens; id 0 is a control token. */
export const vocabulary: Vocabulary = buildVocabulary(tokenBytes, tokenBytes.length + 1)

export function matcherOf(grammar: Grammar): Matcher {
  return new Matcher(compileGrammar(grammar), vocabulary)
}

/** Whether the text, byte by byte, is one of the grammar's. */
export function accepts(matcher: Matcher, text: string): boolean {
  let state: MatchState | undefined = matcher.begin(false)
  for (const byte of new TextEncoder().encode(text)) state = state && matcher.advance(state, byte + 1)
  return state?.complete ?? false
}

export function allowedIds(mask: Uint32Array): number[] {
  const ids: number[] = []
  for (let id = 0; id < 32 * mask.length; id++) if (((mask[id >>> 5]! >>> (id & 31)) & 1) === 1) ids.push(id)
  return ids
}

export interface Walk {
  readonly text: string
  /** Whether it ended where it could; otherwise it was cut off. */
  readonly complete: boolean
}

/** A text of tokens drawn from the masks. It ends where it may with some probability, and has to where nothing follows. */
export function walk(matcher: Matcher, random: Random, most = 400, endsEvery = 4): Walk {
  const bytes: number[] = []
  let state = matcher.begin(false)
  for (let i = 0; i < most; i++) {
    const ids = allowedIds(matcher.allowed(state))
    if (ids.length === 0 && !state.complete) throw new Error(`stuck after ${Buffer.from(bytes)}`)
    if (state.complete && (ids.length === 0 || random.below(endsEvery) === 0))
      return { text: decode(bytes), complete: true }
    // Long tokens more often: they are what is hard.
    const long = ids.filter((id) => id > 256)
    const from = long.length > 0 && random.below(2) === 0 ? long : ids
    const id = from[random.below(from.length)]!
    const next = matcher.advance(state, id)
    if (!next) throw new Error(`the mask allows token ${id} after ${Buffer.from(bytes)}, and it is not taken`)
    bytes.push(...tokenBytes[id]!)
    state = next
  }
  return { text: decode(bytes), complete: false }
}

function decode(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString('utf8')
}
