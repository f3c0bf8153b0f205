/**
 * Splitting text into the words that byte-pair encoding works in. One function for each kind of pre-tokenizer in
 * `tokenizer.json` (Hugging Face tokenizers 0.23, `pre_tokenizers`). The library's own ones know neither the split
 * behaviours nor Unicode's digits and white space, so only its translation of regular expressions is used (patterns.ts).
 */
import { z } from 'zod'
import { toByteCharacters } from './byte-alphabet.js'
import { checkGrowth, lengthOf } from './growth.js'
import { compilePattern, type Span, spansOf } from './patterns.js'
import { type ComponentJson, fields, settings, unsupported } from './tokenizer-json.js'

/** Splits every piece further. `atTextStart` says that the first piece begins the text. */
export type PreTokenizer = (pieces: readonly string[], atTextStart: boolean) => string[]

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
type Behavior = (typeof behaviors)[number]
const behavior = z.enum(behaviors)

const gpt2Words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu
const punctuation = /[!-/:-@[-`{-~\p{P}]/gu
const whiteSpace = /\p{White_Space}/gu

const kinds: Record<string, (config: ComponentJson) => PreTokenizer> = {
  ByteLevel: (config) => {
    const schema = z.object({ add_prefix_space: fields.flag, use_regex: fields.flag })
    const { add_prefix_space: prefixSpace, use_regex: useRegex } = settings(schema, config)
    return (pieces) => {
      const words: string[] = []
      for (const piece of pieces) {
        const text = prefixSpace && !piece.startsWith(' ') ? ` ${piece}` : piece
        if (useRegex === false) words.push(toByteCharacters(text))
        else for (const span of spansOf(text, gpt2Words)) words.push(toByteCharacters(text.slice(span.start, span.end)))
      }
      return words
    }
  },
  Split: (config) => {
    const schema = z.object({ pattern: fields.pattern, behavior, invert: fields.flag })
    const { pattern, behavior: how, invert } = settings(schema, config)
    return splitter('String' in pattern ? pattern.String : compilePattern(pattern), how, invert ?? false)
  },
  Digits: (config) => {
    const { individual_digits: individual } = settings(z.object({ individual_digits: fields.flag }), config)
    return splitter(/\p{N}/gu, individual ? 'Isolated' : 'Contiguous')
  },
  Punctuation: (config) => {
    const { behavior: how } = settings(z.object({ behavior: behavior.nullish() }), config)
    return splitter(punctuation, how ?? 'Isolated')
  },
  Whitespace: () => splitter(compilePattern({ Regex: '\\w+|[^\\w\\s]+' }), 'Removed', true),
  WhitespaceSplit: () => splitter(whiteSpace, 'Removed'),
  CharDelimiterSplit: (config) => {
    const { delimiter } = settings(z.object({ delimiter: z.string().min(1).max(2) }), config)
    return splitter(delimiter, 'Removed')
  },
  Metaspace: (config) => {
    const schema = z.object({
      replacement: z.string().min(1).max(2),
      prepend_scheme: z.enum(['always', 'first', 'never']).nullish(),
      add_prefix_space: fields.flag,
      split: fields.flag,
    })
    const { replacement, prepend_scheme, add_prefix_space, split } = settings(schema, config)
    const scheme = prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')
    const splitAtSpaces = splitter(replacement, 'MergedWithNext')
    return (pieces, atTextStart) => {
      const spaced = pieces.map((piece, index) => {
        const text = piece.replaceAll(' ', () => replacement)
        const prepends = scheme === 'always' || (scheme === 'first' && atTextStart && index === 0)
        return prepends && !text.startsWith(replacement) ? replacement + text : text
      })
      return split === false ? spaced : splitAtSpaces(spaced, atTextStart)
    }
  },
  Sequence: (config) => {
    const { pretokenizers } = settings(z.object({ pretokenizers: fields.parts }), config)
    const steps = pretokenizers.map(createPreTokenizer)
    return (pieces, atTextStart) => {
      const length = lengthOf(pieces)
      return steps.reduce<string[]>(
        (result, step) => {
          const words = step(result, atTextStart)
          checkGrowth(lengthOf(words), length)
          return words
        },
        [...pieces],
      )
    }
  },
}

export function createPreTokenizer(config: ComponentJson): PreTokenizer {
  if (!Object.hasOwn(kinds, config.type)) throw unsupported('pre-tokenizer', config.type, Object.keys(kinds))
  return kinds[config.type]!(config)
}

function splitter(pattern: RegExp | string, how: Behavior, invert = false): PreTokenizer {
  return (pieces) => {
    const words: string[] = []
    for (const piece of pieces) {
      const spans = spansOf(piece, pattern)
      if (invert) for (const span of spans) span.matched = !span.matched
      for (const span of regroup(spans, how)) {
        if (span.start < span.end) words.push(piece.slice(span.start, span.end))
      }
    }
    return words
  }
}

/** What becomes of the matches: thrown away, words of their own, or joined with a neighbour. */
function regroup(spans: Span[], how: Behavior): Span[] {
  if (how === 'Isolated') return spans
  if (how === 'Removed') return spans.filter((span) => !span.matched)
  const ordered = how === 'MergedWithNext' ? spans.toReversed() : spans
  const groups: Span[] = []
  let previousMatched = false
  for (const span of ordered) {
    const joins = how === 'Contiguous' ? span.matched === previousMatched : span.matched && !previousMatched
    const group = groups.at(-1)
    previousMatched = span.matched
    if (joins && group !== undefined) {
      group.start = Math.min(group.start, span.start)
      group.end = Math.max(group.end, span.end)
    } else {
      groups.push({ ...span })
    }
  }
  return how === 'MergedWithNext' ? groups.reverse() : groups
}
