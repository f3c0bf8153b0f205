import { invalidGrammar, quoted, tooComplex, unsupportedGrammar } from './errors.js'
import {
  choice,
  complementRanges,
  type Expression,
  MAX_CODE_POINT,
  type Range,
  repeat,
  sequence,
} from './expression.js'
import { GRAMMAR_LIMITS } from './limits.js'
import { unicodeProperty } from './unicode-property.js'

export const ANY_CHARACTER: Expression = { kind: 'class', ranges: [[0, MAX_CODE_POINT]] }

const DIGITS: readonly Range[] = [[0x30, 0x39]]
const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 }

/** How a regular expression is laid on a text: all of it, or (JSON Schema's `pattern`) anywhere within. */
export type Anchoring = 'whole' | 'anywhere'

/**
 * The language of a regular expression as JavaScript reads it with the `u` flag: classes, groups, alternatives, counted
 * repetition, `\d \w \s`, Unicode properties, `^` and `$` at the ends of a whole alternative. What looks around or back is no
 * language of its own and is refused. Nothing is ever matched by backtracking.
 * Errors: `grammar-invalid`, `grammar-unsupported`, `grammar-too-complex`.
 */
export function parseRegularExpression(source: string, anchoring: Anchoring): Expression {
  if (source.length > GRAMMAR_LIMITS.patternLength) {
    throw tooComplex(`the regular expression has over ${GRAMMAR_LIMITS.patternLength} characters`)
  }
  return new Parser(source, anchoring).parse()
}

class Parser {
  private at = 0

  constructor(
    private readonly source: string,
    private readonly anchoring: Anchoring,
  ) {}

  parse(): Expression {
    const parsed = this.alternatives(0)
    if (this.at < this.source.length) throw this.invalid('a ) without (')
    return parsed
  }

  private alternatives(depth: number): Expression {
    if (depth > GRAMMAR_LIMITS.depth)
      throw tooComplex(`the regular expression has groups over ${GRAMMAR_LIMITS.depth} deep`)
    const options = [this.alternative(depth)]
    while (this.take('|')) options.push(this.alternative(depth))
    return choice(...options)
  }

  /** Anchors stand at the ends of a whole alternative; without one, `anywhere` lets any text stand there. */
  private alternative(depth: number): Expression {
    const anywhere = this.anchoring === 'anywhere' && depth === 0
    const parts: Expression[] = []
    if (depth === 0 && this.take('^')) while (this.take('^')) {}
    else if (anywhere) parts.push(repeat(ANY_CHARACTER, 0))
    let ended = false
    while (this.at < this.source.length && !this.sees('|') && !this.sees(')')) {
      if (depth === 0 && this.take('$')) {
        ended = true
        continue
      }
      if (ended) throw unsupportedGrammar(`${this.name()}: $ is supported only at the end of an alternative`)
      parts.push(this.quantified(depth))
    }
    if (anywhere && !ended) parts.push(repeat(ANY_CHARACTER, 0))
    return sequence(...parts)
  }

  private quantified(depth: number): Expression {
    const atom = this.atom(depth)
    const found = this.match(/(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})/y)
    if (!found) return atom
    this.match(/\?/y)
    if (this.match(/[*+?]|\{\d+(,\d*)?\}/y)) throw this.invalid('nothing to repeat')
    const [, sign, least, comma, most] = found
    if (sign) return repeat(atom, sign === '+' ? 1 : 0, sign === '?' ? 1 : Number.POSITIVE_INFINITY)
    const min = Number(least)
    const max = comma === undefined ? min : most === '' ? Number.POSITIVE_INFINITY : Number(most)
    if (min > max) throw this.invalid(`{${min},${max}} counts backwards`)
    return repeat(atom, min, max)
  }

  private atom(depth: number): Expression {
    if (this.take('(')) {
      if (this.match(/\?(?:<?[=!])/y))
        throw unsupportedGrammar(`${this.name()} looks ahead or behind, which is not supported`)
      if (this.sees('?') && !this.match(/\?(?::|<[A-Za-z_$][\w$]*>)/y)) {
        throw unsupportedGrammar(`${this.name()} has a kind of group that is not supported`)
      }
      const inner = this.alternatives(depth + 1)
      if (!this.take(')')) throw this.invalid('a ( without )')
      return inner
    }
    if (this.take('[')) return { kind: 'class', ranges: this.characterClass() }
    if (this.take('.')) return { kind: 'class', ranges: complementRanges(LINE_ENDS) }
    if (this.take('\\')) return { kind: 'class', ranges: this.escape(false) }
    if (this.sees('^') || this.sees('$')) {
      throw unsupportedGrammar(`${this.name()}: ^ and $ are supported only at the ends of the whole expression`)
    }
    if (this.match(/[*+?]/y)) throw this.invalid('nothing to repeat')
    const code = this.source.codePointAt(this.at)!
    this.at += code > 0xffff ? 2 : 1
    return { kind: 'class', ranges: [[code, code]] }
  }

  private characterClass(): readonly Range[] {
    const negated = this.take('^')
    const ranges: Range[] = []
    while (!this.take(']')) {
      const low = this.classMember()
      if (!this.sees('-') || this.source[this.at + 1] === ']') {
        ranges.push(...low)
        continue
      }
      this.at++
      const high = this.classMember()
      if (low.length !== 1 || low[0]![0] !== low[0]![1] || high.length !== 1 || high[0]![0] !== high[0]![1]) {
        throw this.invalid('a span of characters begins or ends with a class')
      }
      if (low[0]![0] > high[0]![0]) throw this.invalid('a span of characters counts backwards')
      ranges.push([low[0]![0], high[0]![0]])
    }
    return negated ? complementRanges(ranges) : ranges
  }

  private classMember(): readonly Range[] {
    if (this.at >= this.source.length) throw this.invalid('a [ without ]')
    if (this.take('\\')) return this.escape(true)
    const code = this.source.codePointAt(this.at)!
    this.at += code > 0xffff ? 2 : 1
    return [[code, code]]
  }

  private escape(inClass: boolean): readonly Range[] {
    const kind = this.match(/[dDwWsS]/y)?.[0]
    if (kind) {
      const ranges = { d: DIGITS, w: WORD, s: SPACES }[kind.toLowerCase() as 'd' | 'w' | 's']
      return kind === kind.toLowerCase() ? ranges : complementRanges(ranges)
    }
    const property = this.match(/([pP])\{([\w=]+)\}/y)
    if (property) {
      const ranges = unicodeProperty(property[2]!)
      if (!ranges) throw this.invalid(`there is no Unicode property ${property[2]}`)
      return property[1] === 'p' ? ranges : complementRanges(ranges)
    }
    const hex = this.match(/x([\da-fA-F]{2})|u([\da-fA-F]{4})|u\{([\da-fA-F]{1,6})\}/y)
    if (hex) return this.single(Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16))
    const control = this.match(/c([A-Za-z])/y)
    if (control) return this.single(control[1]!.charCodeAt(0) & 31)
    const [character] = this.match(/./suy) ?? []
    if (character === undefined) throw this.invalid('it ends with \\')
    if (character === 'b' && inClass) return this.single(8)
    if (character in CONTROL_ESCAPES) return this.single(CONTROL_ESCAPES[character]!)
    if (/[1-9k]/.test(character))
      throw unsupportedGrammar(`${this.name()} refers back to a group, which is not supported`)
    if (/[bB]/.test(character))
      throw unsupportedGrammar(`${this.name()} asks for word boundaries, which are not supported`)
    if (/[a-zA-Z]/.test(character)) throw this.invalid(`\\${character} means nothing`)
    return this.single(character.codePointAt(0)!)
  }

  private single(code: number): readonly Range[] {
    if (code > MAX_CODE_POINT) throw this.invalid('a character beyond U+10FFFF')
    return [[code, code]]
  }

  private sees(character: string): boolean {
    return this.source[this.at] === character
  }

  private take(character: string): boolean {
    if (!this.sees(character)) return false
    this.at++
    return true
  }

  private match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at
    const found = expression.exec(this.source)
    if (!found) return undefined
    this.at = expression.lastIndex
    return found
  }

  private name(): string {
    return `the regular expression ${quoted(this.source)}`
  }

  private invalid(why: string) {
    return invalidGrammar(`${this.name()}: ${why} at character ${this.at}`)
  }
}
