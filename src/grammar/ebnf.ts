import { invalidGrammar, quoted, tooComplex } from './errors.js'
import {
  choice,
  complementRanges,
  EMPTY,
  type Expression,
  type Grammar,
  MAX_CODE_POINT,
  type Range,
  repeat,
  rule,
  sequence,
  text,
} from './expression.js'
import { GRAMMAR_LIMITS } from './limits.js'

const NAME = /[A-Za-z_][\w-]*/y

/**
 * A grammar as llama.cpp (GBNF), XGrammar and vLLM write it:
 * ```
 * root ::= "yes" | "no" rest    # a comment
 * rest ::= (" " [a-z]+){1,3}
 * ```
 * Texts in quotes, classes, `.`, groups, `* + ? {m,n}`, alternatives; texts are those of the rule `root`.
 * Errors: `grammar-invalid`, `grammar-too-complex`.
 */
export function parseGrammar(source: string): Grammar {
  if (source.length > GRAMMAR_LIMITS.grammarLength) {
    throw tooComplex(`the grammar has over ${GRAMMAR_LIMITS.grammarLength} characters`)
  }
  const rules = new Parser(source).rules()
  if (!rules.has('root')) throw invalidGrammar('the grammar has no rule root, with which every text begins')
  return { root: rule('root'), rules }
}

class Parser {
  private at = 0

  constructor(private readonly source: string) {}

  rules(): Map<string, Expression> {
    const rules = new Map<string, Expression>()
    this.skip(true)
    while (this.at < this.source.length) {
      const name = this.match(NAME)?.[0]
      if (name === undefined) throw this.invalid('the name of a rule is wanted')
      this.skip(false)
      if (!this.match(/::=/y)) throw this.invalid(`::= is wanted after ${quoted(name)}`)
      if (rules.has(name)) throw this.invalid(`the rule ${quoted(name)} is given twice`)
      this.skip(true)
      rules.set(name, this.alternatives(0))
      this.skip(true)
    }
    for (const name of this.wanted) {
      if (!rules.has(name)) throw invalidGrammar(`the grammar has no rule ${quoted(name)}`)
    }
    return rules
  }

  private readonly wanted = new Set<string>()

  private alternatives(depth: number): Expression {
    if (depth > GRAMMAR_LIMITS.depth) throw tooComplex(`the grammar has groups over ${GRAMMAR_LIMITS.depth} deep`)
    const options: Expression[] = []
    do {
      this.skip(true)
      options.push(this.sequence(depth))
      this.skip(true)
    } while (this.match(/\|/y))
    return choice(...options)
  }

  private sequence(depth: number): Expression {
    const parts: Expression[] = []
    for (;;) {
      if (depth > 0) this.skip(true)
      else this.skipWithinRule()
      const part = this.item(depth)
      if (!part) break
      parts.push(part)
    }
    return parts.length === 0 ? EMPTY : sequence(...parts)
  }

  private item(depth: number): Expression | undefined {
    const atom = this.atom(depth)
    if (!atom) return undefined
    const found = this.match(/([*+?])|\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}/y)
    if (!found) return atom
    const [, sign, least, comma, most] = found
    if (sign) return repeat(atom, sign === '+' ? 1 : 0, sign === '?' ? 1 : Number.POSITIVE_INFINITY)
    const min = Number(least)
    const max = comma === undefined ? min : most === '' ? Number.POSITIVE_INFINITY : Number(most)
    if (min > max) throw this.invalid(`{${min},${max}} counts backwards`)
    return repeat(atom, min, max)
  }

  private atom(depth: number): Expression | undefined {
    const character = this.source[this.at]
    if (character === '"') return this.literal()
    if (character === '[') return this.characterClass()
    if (character === '.') {
      this.at++
      return { kind: 'class', ranges: [[0, MAX_CODE_POINT]] }
    }
    if (character === '(') {
      this.at++
      const inner = this.alternatives(depth + 1)
      if (!this.match(/\)/y)) throw this.invalid('a ( without )')
      return inner
    }
    const name = this.match(NAME)?.[0]
    if (name === undefined) {
      if (character === undefined || '|)\r\n'.includes(character)) return undefined
      throw this.invalid(`${quoted(character)} is not understood`)
    }
    this.wanted.add(name)
    return rule(name)
  }

  private literal(): Expression {
    this.at++
    let value = ''
    while (this.source[this.at] !== '"') {
      if (this.at >= this.source.length || this.source[this.at] === '\n')
        throw this.invalid('a text without a closing "')
      value += String.fromCodePoint(this.character())
    }
    this.at++
    if (!value.isWellFormed()) throw this.invalid('a text with a lone surrogate')
    return text(value)
  }

  private characterClass(): Expression {
    this.at++
    const negated = this.match(/\^/y) !== undefined
    const ranges: Range[] = []
    while (this.source[this.at] !== ']') {
      if (this.at >= this.source.length) throw this.invalid('a [ without ]')
      const low = this.character()
      const spans = this.source[this.at] === '-' && this.source[this.at + 1] !== ']'
      if (spans) this.at++
      const high = spans ? this.character() : low
      if (low > high) throw this.invalid('a span of characters counts backwards')
      ranges.push([low, high])
    }
    this.at++
    return { kind: 'class', ranges: negated ? complementRanges(ranges) : ranges }
  }

  private character(): number {
    if (this.source[this.at] === '\\') {
      const found = this.match(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([nrt"'\\[\]\-^/.]))/y)
      if (!found) throw this.invalid('an escape that means nothing')
      const [, x, u, long, plain] = found
      if (plain) return { n: 10, r: 13, t: 9 }[plain] ?? plain.charCodeAt(0)
      const code = Number.parseInt(x ?? u ?? long!, 16)
      if (code > MAX_CODE_POINT) throw this.invalid('a character beyond U+10FFFF')
      return code
    }
    if (this.at >= this.source.length) throw this.invalid('the grammar ends within a text or class')
    const code = this.source.codePointAt(this.at)!
    this.at += code > 0xffff ? 2 : 1
    return code
  }

  /** A rule goes on in the next line, unless another rule begins there. */
  private skipWithinRule(): void {
    this.skip(false)
    const before = this.at
    this.skip(true)
    if (this.match(/[A-Za-z_][\w-]*\s*::=/y)) this.at = before
  }

  private skip(lines: boolean): void {
    this.match(lines ? /(?:\s|#[^\n]*)*/y : /(?:[^\S\r\n]|#[^\n]*)*/y)
  }

  private match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at
    const found = expression.exec(this.source)
    if (!found) return undefined
    this.at = expression.lastIndex
    return found
  }

  private invalid(why: string) {
    const line = this.source.slice(0, this.at).split('\n').length
    return invalidGrammar(`the grammar's line ${line}: ${why}`)
  }
}
