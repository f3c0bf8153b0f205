import { choice, type Expression, optional, repeat, rule, sequence, text } from '../expression.js'
import { ANY_INTEGER, ANY_NUMBER } from './numbers.js'
import { ANY_TEXT, inQuotes, JSON_CHARACTER, TEXT_RULE } from './text.js'

/** White space where JSON allows some: none, one space, or a new line and its indentation. Models left alone with more go on for ever. */
const WHITE_SPACE: Expression = choice(
  text(''),
  text(' '),
  sequence(text('\n'), repeat(choice(text(' '), text('\t')), 0, 24)),
)

export const WS: Expression = rule('ws')

/** A comma or bracket, and the space after it. */
export function then(mark: string): Expression {
  return sequence(text(mark), WS)
}

/** `open` items, separated by commas, `close`. */
export function enclosed(open: string, items: Expression, close: string): Expression {
  return sequence(text(open), WS, items, WS, text(close))
}

export function member(name: Expression, value: Expression): Expression {
  return sequence(name, text(':'), WS, value)
}

export const ANY_OBJECT: Expression = rule('object')

/** Rules for any JSON value at all: `value`, `object`, `array`, `string`, `number`, `integer`, `ws`. */
export function anyValueRules(): Map<string, Expression> {
  const value = rule('value')
  const pair = member(rule('string'), value)
  return new Map<string, Expression>([
    ['ws', WHITE_SPACE],
    [TEXT_RULE, ANY_TEXT],
    ['string', inQuotes(repeat(JSON_CHARACTER, 0))],
    ['number', ANY_NUMBER],
    ['integer', ANY_INTEGER],
    ['object', enclosed('{', optional(sequence(pair, repeat(sequence(then(','), pair), 0))), '}')],
    ['array', enclosed('[', optional(sequence(value, repeat(sequence(then(','), value), 0))), ']')],
    [
      'value',
      choice(rule('object'), rule('array'), rule('string'), rule('number'), text('true'), text('false'), text('null')),
    ],
  ])
}
