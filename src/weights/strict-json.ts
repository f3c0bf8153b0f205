const MAX_DEPTH = 64
const MAX_NUMBER_LENGTH = 40
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const COUNT = /^(?:0|[1-9]\d*)$/
const SURROGATE = /\p{Surrogate}/u

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Reads JSON text front to back, driven by the caller's knowledge of what must come next. Unlike JSON.parse it refuses
 * duplicate keys at any depth and builds nothing that was not asked for, so that hostile text costs no more memory than
 * its own length. RFC 8259; nesting is limited to 64 levels.
 */
export class JsonReader {
  readonly #text: string
  readonly #error: (problem: string) => Error
  #at = 0
  #depth = 0

  /** `error` makes what is thrown when the text is not what was asked for. */
  constructor(text: string, error: (problem: string) => Error) {
    this.#text = text
    this.#error = error
  }

  /** Calls `member` for every key; it must read the value. */
  object(member: (key: string) => void): void {
    const keys = new Set<string>()
    this.#list('{', '}', () => {
      const key = this.string()
      if (keys.has(key)) throw this.#fail(`the key ${quoted(key)} appears twice`)
      keys.add(key)
      this.#punctuation(':')
      member(key)
    })
  }

  /** Calls `item` for every element; it must read the element. */
  array(item: () => void): void {
    this.#list('[', ']', item)
  }

  string(): string {
    this.#space()
    const start = this.#at
    if (this.#text.charCodeAt(start) !== QUOTE) throw this.#fail('a string was expected')
    let escaped = false
    let at = start + 1
    for (;;) {
      const code = this.#text.charCodeAt(at)
      if (code === QUOTE) break
      if (!(code >= 0x20)) throw this.#fail('a string is not closed or holds a control character')
      escaped ||= code === BACKSLASH
      at += code === BACKSLASH ? 2 : 1
    }
    this.#at = at + 1
    return escaped ? this.#unescape(this.#text.slice(start, at + 1)) : this.#text.slice(start + 1, at)
  }

  /** A whole number from 0 to 2^53 - 1, written without sign, fraction or exponent. */
  count(): number {
    const written = this.#number()
    const value = Number(written)
    if (COUNT.test(written) && Number.isSafeInteger(value)) return value
    throw this.#fail(`${written || 'what stands there'} is not a whole number from 0 to 2^53 - 1`)
  }

  /** Checks and passes over any value. */
  skip(): void {
    this.#space()
    const next = this.#text[this.#at]
    if (next === '{') this.object(() => this.skip())
    else if (next === '[') this.array(() => this.skip())
    else if (next === '"') this.string()
    else if (!this.#literal() && !NUMBER.test(this.#number())) throw this.#fail('a value was expected')
  }

  /** Only white space may be left. */
  end(): void {
    this.#space()
    if (this.#at < this.#text.length) throw this.#fail('something follows the end of the JSON text')
  }

  #list(open: string, close: string, element: () => void): void {
    if (++this.#depth > MAX_DEPTH) throw this.#fail(`values are nested more than ${MAX_DEPTH} deep`)
    this.#punctuation(open)
    this.#space()
    if (this.#text[this.#at] === close) this.#at++
    else {
      for (;;) {
        element()
        this.#space()
        if (this.#text[this.#at] !== ',') break
        this.#at++
      }
      this.#punctuation(close)
    }
    this.#depth--
  }

  #literal(): boolean {
    const word = ['true', 'false', 'null'].find((candidate) => this.#text.startsWith(candidate, this.#at))
    this.#at += word?.length ?? 0
    return word !== undefined
  }

  #number(): string {
    this.#space()
    const start = this.#at
    while (isNumberCharacter(this.#text.charCodeAt(this.#at))) this.#at++
    if (this.#at - start > MAX_NUMBER_LENGTH) throw this.#fail('a number is too long')
    return this.#text.slice(start, this.#at)
  }

  #unescape(literal: string): string {
    let value: string
    try {
      value = JSON.parse(literal)
    } catch {
      throw this.#fail('a string holds an unknown escape')
    }
    if (SURROGATE.test(value)) throw this.#fail('a string holds half of a surrogate pair')
    return value
  }

  #punctuation(character: string): void {
    this.#space()
    if (this.#text[this.#at] !== character) throw this.#fail(`"${character}" was expected`)
    this.#at++
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #fail(problem: string): Error {
    return this.#error(`${problem} (at character ${this.#at})`)
  }
}

function isNumberCharacter(code: number): boolean {
  const isDigit = code >= 0x30 && code <= 0x39
  return isDigit || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x45 || code === 0x65
}

/** A name from a file as it may stand in a one-line message: bounded, and nothing that steers a terminal. */
export function quoted(name: string): string {
  const short = name.length > 120 ? `${name.slice(0, 117)}...` : name
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
