/**
 * Which regular expressions a checkpoint may bring. JavaScript matches by backtracking, so a pattern of ten characters can
 * take longer than the universe is old. Admitted are those whose time is at most quadratic in a run of like characters
 * (as every pre-tokenizer's in use is): what is repeated matches in one way only, at most one repetition of a match can
 * be taken back for what follows it, and all other choices are few.
 *
 * Reads the JavaScript source that is run (`u` or `v` flag), not the checkpoint's Oniguruma.
 */
type PatternNode =
  | { kind: 'unit'; literal: string | undefined }
  | { kind: 'assertion'; body: PatternNode | undefined }
  | { kind: 'sequence'; parts: PatternNode[] }
  | { kind: 'choice'; options: PatternNode[] }
  | { kind: 'repeat'; body: PatternNode; min: number; max: number }

const MAX_DEPTH = 32
const MAX_COUNT = 1000
const MAX_SIZE = 2 ** 13
/** Ways through the pattern that differ in what is optional or which alternative is taken. */
const MAX_WAYS = 2 ** 12
/** A counted repetition with more than so many possible counts is as good as unbounded. */
const MANY_COUNTS = 16
const MAX_RETRIED_REPEATS = 1

/** Why the pattern is not admitted; undefined when it is. */
export function dangerOf(source: string): string | undefined {
  const parsed = new PatternParser(source).parse()
  if (typeof parsed === 'string') return parsed
  const danger = repetitionDanger(parsed, false)
  if (danger !== undefined) return danger
  if (sizeOf(parsed) > MAX_SIZE) return 'it is too large'
  if (waysOf(parsed) > MAX_WAYS) return 'it has too many alternatives'
  if (retriedRepeats(parsed, false) > MAX_RETRIED_REPEATS) return 'several repetitions are tried against each other'
  return undefined
}

class Refusal extends Error {}

class PatternParser {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  parse(): PatternNode | string {
    try {
      const node = this.#choice(0)
      return this.#at < this.#source.length ? 'it is not understood' : node
    } catch (error) {
      if (error instanceof Refusal) return error.message
      throw error
    }
  }

  #choice(depth: number): PatternNode {
    if (depth > MAX_DEPTH) throw new Refusal('it is nested too deep')
    const options = [this.#sequence(depth)]
    while (this.#source[this.#at] === '|') {
      this.#at++
      options.push(this.#sequence(depth))
    }
    return options.length === 1 ? options[0]! : { kind: 'choice', options }
  }

  #sequence(depth: number): PatternNode {
    const parts: PatternNode[] = []
    while (this.#at < this.#source.length && !'|)'.includes(this.#source[this.#at]!)) {
      parts.push(this.#quantified(this.#atom(depth)))
    }
    return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
  }

  #quantified(body: PatternNode): PatternNode {
    const found = this.#take(/(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/y)
    if (found === undefined) return body
    const [, sign, least, comma, most] = found
    const min = sign === undefined ? Number(least) : Number(sign === '+')
    let max = sign === '?' ? 1 : Number.POSITIVE_INFINITY
    if (sign === undefined && comma === '') max = min
    if (sign === undefined && most !== '') max = Number(most)
    if (min > MAX_COUNT || (Number.isFinite(max) && max > MAX_COUNT)) {
      throw new Refusal(`it counts beyond ${MAX_COUNT}`)
    }
    return { kind: 'repeat', body, min, max }
  }

  #atom(depth: number): PatternNode {
    const group = this.#take(/\((\?<?[=!]|\?:|\?<[^>]*>|\?[^)]|)/y)
    if (group !== undefined) {
      const opening = group[1]!
      if (opening !== '' && !/^\?(?:<?[=!]|:|<[^>]*>)$/.test(opening)) throw new Refusal('it is not understood')
      const body = this.#choice(depth + 1)
      if (this.#take(/\)/y) === undefined) throw new Refusal('it is not understood')
      return /^\?<?[=!]/.test(opening) ? { kind: 'assertion', body } : body
    }
    if (this.#source[this.#at] === '[') return this.#characterClass()
    if (this.#take(/\\(?:[1-9]|k<)/y)) throw new Refusal('it refers back to what it matched')
    if (this.#take(/[$^]|\\[bB]/y)) return { kind: 'assertion', body: undefined }
    if (this.#take(/\.|\\(?:[pP]\{[^}]*\}|[dDsSwW])/y)) return { kind: 'unit', literal: undefined }
    const literal = this.#take(/\\(?:u\{[^}]*\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|.)|./suy)
    if (literal === undefined) throw new Refusal('it is not understood')
    return { kind: 'unit', literal: literal[0] }
  }

  #characterClass(): PatternNode {
    let depth = 0
    do {
      const [text] = this.#take(/\\.|./suy) ?? []
      if (text === undefined) throw new Refusal('it is not understood')
      if (text === '\\q') throw new Refusal('it has a class of strings')
      if (text === '[') depth++
      else if (text === ']') depth--
    } while (depth > 0)
    return { kind: 'unit', literal: undefined }
  }

  #take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at
    const found = expression.exec(this.#source)
    if (found === null) return undefined
    this.#at = expression.lastIndex
    return found
  }
}

function children(node: PatternNode): PatternNode[] {
  if (node.kind === 'sequence') return node.parts
  if (node.kind === 'choice') return node.options
  return node.kind !== 'unit' && node.body !== undefined ? [node.body] : []
}

/** A repetition that nothing follows is never taken back, so its matches may differ. */
function repetitionDanger(node: PatternNode, failureFollows: boolean): string | undefined {
  const retried = failureFollows || (node.kind === 'repeat' && node.min > 1)
  if (node.kind === 'repeat' && node.max > 1 && retried && !matchesOneWay(node.body)) {
    return 'it repeats what can match in several ways'
  }
  for (const [child, follows] of continuations(node, failureFollows)) {
    const danger = repetitionDanger(child, follows)
    if (danger !== undefined) return danger
  }
  return undefined
}

/** Each part of the node, and whether something after it may fail, so that the part is tried again. */
function continuations(node: PatternNode, failureFollows: boolean): [PatternNode, boolean][] {
  if (node.kind === 'sequence') {
    let follows = failureFollows
    return node.parts.toReversed().map((part) => {
      const continuation: [PatternNode, boolean] = [part, follows]
      follows ||= canFail(part)
      return continuation
    })
  }
  const follows = failureFollows || node.kind === 'assertion' || (node.kind === 'repeat' && node.min > 1)
  return children(node).map((child) => [child, follows])
}

/** Whether from any place there is one match at most: of fixed length, with alternatives told apart by their first character. */
function matchesOneWay(node: PatternNode): boolean {
  switch (node.kind) {
    case 'unit':
    case 'assertion':
      return true
    case 'sequence':
      return node.parts.every(matchesOneWay)
    case 'repeat':
      return node.min === node.max && matchesOneWay(node.body)
    case 'choice': {
      const firsts = node.options.map(firstLiteral)
      const told = firsts.every((first) => first !== undefined) && new Set(firsts).size === firsts.length
      return told && node.options.every(matchesOneWay)
    }
  }
}

/** A plain character that every match begins with. */
function firstLiteral(node: PatternNode): string | undefined {
  if (node.kind === 'sequence') return node.parts[0] && firstLiteral(node.parts[0])
  return node.kind === 'unit' && node.literal !== undefined && /^[^\\]$/u.test(node.literal) ? node.literal : undefined
}

function sizeOf(node: PatternNode): number {
  const below = children(node).reduce((sum, child) => sum + sizeOf(child), 0)
  if (node.kind !== 'repeat') return below + 1
  return below * Math.max(1, node.min, Number.isFinite(node.max) ? node.max : 0) + 1
}

function waysOf(node: PatternNode): number {
  switch (node.kind) {
    case 'unit':
      return 1
    case 'assertion':
      return node.body === undefined ? 1 : waysOf(node.body)
    case 'sequence':
      return node.parts.reduce((product, part) => product * waysOf(part), 1)
    case 'choice':
      return node.options.reduce((sum, option) => sum + waysOf(option), 0)
    case 'repeat':
      if (node.max <= 1) return waysOf(node.body) + 1
      return isLong(node) ? 1 : node.max - node.min + 1
  }
}

function isLong(node: { min: number; max: number }): boolean {
  return node.max - node.min > MANY_COUNTS
}

/** How many long repetitions one match may have to shorten because what follows them fails. */
function retriedRepeats(node: PatternNode, failureFollows: boolean): number {
  const below = continuations(node, failureFollows).map(([child, follows]) => retriedRepeats(child, follows))
  if (node.kind === 'choice') return Math.max(...below)
  const own = node.kind === 'repeat' && isLong(node) && failureFollows
  return below.reduce((sum, count) => sum + count, Number(own))
}

function canFail(node: PatternNode): boolean {
  if (node.kind === 'sequence') return node.parts.some(canFail)
  if (node.kind === 'choice') return node.options.every(canFail)
  return node.kind !== 'repeat' || (node.min > 0 && canFail(node.body))
}
