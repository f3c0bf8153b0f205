/** Patterns of `tokenizer.json` as JavaScript finds them. */
import * as library from '@huggingface/tokenizers'
import { WarplineError } from '../errors.js'
import { dangerOf } from './pattern-safety.js'
import type { PatternJson } from './tokenizer-json.js'

/** The one part of the library that is used; its own declarations lack file extensions, so that Node's resolution finds none. */
const { SplitPreTokenizer } = library as unknown as {
  SplitPreTokenizer: new (config: {
    type: 'Split'
    pattern: PatternJson
    behavior: string
    invert: boolean
  }) => {
    pattern: RegExp | null
  }
}

/** A stretch of text, `[start, end)` in UTF-16 units, that a pattern matched or left between two matches. */
export interface Span {
  start: number
  end: number
  matched: boolean
}

/**
 * Patterns of well-known checkpoints that take quadratic time, and the same in linear time. DeepSeek's: a match can only
 * begin where a run of white space does.
 */
const quickForms = new Map([['\\s+$', '(?<!\\s)\\s+$']])

/**
 * Compiles to a global regular expression. Checkpoints write their patterns for Oniguruma, which reads `\s`, `\w`, `^`,
 * nested classes and possessive quantifiers unlike JavaScript; the library knows how to say them here. A pattern that
 * could take exponential time is refused; the worst that is left is quadratic in a run of like characters.
 */
export function compilePattern(pattern: PatternJson): RegExp {
  const expression = translate(pattern)
  if (expression === null) {
    throw new WarplineError('tokenizer-invalid', 'tokenizer.json splits text by a pattern of an unknown kind')
  }
  const danger = dangerOf(expression.source)
  if (danger !== undefined) throw unusable(pattern, `could take too long (${danger})`)
  try {
    // Compiled only when first used, for narrow and wide strings apart, and once more when used again.
    for (const text of ['a', 'a', '\u4e00', '\u4e00']) text.search(expression)
  } catch (error) {
    throw unusable(pattern, 'cannot be run here', error)
  }
  return expression
}

function translate(pattern: PatternJson): RegExp | null {
  const quick = 'Regex' in pattern ? { Regex: quickForms.get(pattern.Regex) ?? pattern.Regex } : pattern
  try {
    return new SplitPreTokenizer({ type: 'Split', pattern: quick, behavior: 'Isolated', invert: false }).pattern
  } catch (error) {
    throw unusable(pattern, 'cannot be run here', error)
  }
}

function unusable(pattern: PatternJson, why: string, cause?: unknown): WarplineError {
  const text = 'Regex' in pattern ? pattern.Regex : pattern.String
  const shown = text.length > 120 ? `${text.slice(0, 120)}…` : text
  return new WarplineError(
    'tokenizer-unsupported',
    `the tokenizer's regular expression ${JSON.stringify(shown)} ${why}; pass token ids instead of text`,
    cause === undefined ? undefined : { cause },
  )
}

/** Cuts all of `text` into matches and what lies between them. */
export function spansOf(text: string, pattern: RegExp | string): Span[] {
  const spans: Span[] = []
  let previous = 0
  const add = (start: number, end: number) => {
    if (previous < start) spans.push({ start: previous, end: start, matched: false })
    spans.push({ start, end, matched: true })
    previous = end
  }
  if (typeof pattern === 'string') {
    for (let at = text.indexOf(pattern); at >= 0 && pattern !== ''; at = text.indexOf(pattern, previous)) {
      add(at, at + pattern.length)
    }
  } else {
    for (const match of text.matchAll(pattern)) add(match.index, match.index + match[0].length)
  }
  if (previous < text.length) spans.push({ start: previous, end: text.length, matched: false })
  return spans
}
