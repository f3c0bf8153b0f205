/** Texts as they stand between the quotes of a JSON string. */
import {
  characters,
  choice,
  type Expression,
  intersectRanges,
  MAX_CODE_POINT,
  type Range,
  repeat,
  rule,
  sequence,
  text,
} from '../expression.js'

/** Characters that stand for themselves. */
const PLAIN: readonly Range[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, MAX_CODE_POINT],
]

const HEX = characters('09', 'af', 'AF')

/** One character of any string, also where it is escaped without need. Surrogates come in pairs. */
export const JSON_CHARACTER: Expression = choice(
  { kind: 'class', ranges: PLAIN },
  sequence(
    text('\\'),
    choice(
      characters('"', '\\', '/', 'b', 'f', 'n', 'r', 't'),
      sequence(
        text('u'),
        choice(
          sequence(characters('09', 'AC', 'ac', 'EF', 'ef'), HEX, HEX, HEX),
          sequence(characters('D', 'd'), characters('07'), HEX, HEX),
          sequence(
            characters('D', 'd'),
            characters('89', 'AB', 'ab'),
            HEX,
            HEX,
            text('\\u'),
            characters('D', 'd'),
            characters('CF', 'cf'),
            HEX,
            HEX,
          ),
        ),
      ),
    ),
  ),
)

/** The language's texts as JSON writes them, escaped where they have to be and nowhere else. */
export function escaped(expression: Expression): Expression {
  switch (expression.kind) {
    case 'class':
      return escapedClass(expression.ranges)
    case 'text':
      return text(JSON.stringify(expression.text).slice(1, -1))
    case 'sequence':
      return sequence(...expression.parts.map(escaped))
    case 'choice':
      return choice(...expression.options.map(escaped))
    case 'repeat':
      return repeat(escaped(expression.body), expression.min, expression.max)
    default:
      return expression
  }
}

function escapedClass(ranges: readonly Range[]): Expression {
  const plain = intersectRanges(ranges, PLAIN)
  const options: Expression[] = plain.length > 0 ? [{ kind: 'class', ranges: plain }] : []
  for (const code of [...Array(0x20).keys(), 0x22, 0x5c]) {
    if (!ranges.some(([low, high]) => low <= code && code <= high)) continue
    options.push(text(JSON.stringify(String.fromCharCode(code)).slice(1, -1)))
  }
  return choice(...options)
}

const TEXT_CHARACTER = escapedClass([[0x20, MAX_CODE_POINT]])

/** The names of the rule for any text of `TEXT_CHARACTER`s. */
export const TEXT_RULE = 'text'
export const ANY_TEXT: Expression = repeat(TEXT_CHARACTER, 0)

/** Any text but these, without control characters and needless escapes. */
export function anyTextBut(names: readonly string[]): Expression {
  return withoutTexts(names.map((name) => [...name]))
}

/** A tree over the texts' characters: whatever leaves it is allowed, and so are beginnings that are no text themselves. */
function withoutTexts(texts: readonly (readonly string[])[]): Expression {
  const heads = [...new Set(texts.flatMap(([head]) => (head === undefined ? [] : [head])))]
  const codes = heads.map((head) => head.codePointAt(0)!)
  const leaves = sequence(escapedClass(allBut(codes)), rule(TEXT_RULE))
  const options: Expression[] = [leaves]
  if (!texts.some((each) => each.length === 0)) options.push(text(''))
  for (const [i, head] of heads.entries()) {
    const below = texts.filter((each) => each[0] === head).map((each) => each.slice(1))
    options.push(sequence(escapedClass([[codes[i]!, codes[i]!]]), withoutTexts(below)))
  }
  return choice(...options)
}

function allBut(codes: readonly number[]): Range[] {
  const sorted = [...codes].sort((a, b) => a - b)
  const gaps: Range[] = []
  let next = 0x20
  for (const code of sorted) {
    if (next < code) gaps.push([next, code - 1])
    next = Math.max(next, code + 1)
  }
  gaps.push([next, MAX_CODE_POINT])
  return gaps
}

/** A string of this inside. */
export function inQuotes(inside: Expression): Expression {
  return sequence(text('"'), inside, text('"'))
}
