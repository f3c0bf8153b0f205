/**
 * Keeps control tokens spelt by users apart from those that a chat template writes.
 *
 * The rendered text does not tell which is which, and templates trim, split and join what they are given, so parts cannot
 * be tracked through them. Instead the template runs a second time on strings in which every such spelling is broken by a
 * private-use character after its first character. Where that character arrives in the output, the text of the
 * first, untouched rendering gets a barrier, over which no control token is read (`Tokenizer.encodeWithBarriers`).
 * A string's end that could begin a spelling is broken too: two strings side by side must not make a token.
 */
import { type AddedToken, AddedTokenMatcher } from './added-tokens.js'

type Token = Readonly<AddedToken>

export interface GuardedTokens {
  /** Kept out of every string but the assistant's. */
  everywhere: readonly Token[]
  /** Kept out of what the assistant is said to have said. */
  inAnswers: readonly Token[]
}

/**
 * Control tokens, and markup that the template itself writes (`<tool_call>`): added tokens, though not declared special.
 * The assistant's own words keep that markup, and whatever the template looks for in them (`</think>`).
 */
export function guardedTokens(added: readonly Token[], source: string): GuardedTokens {
  const controls = added.filter((token) => token.special && token.content.length > 1)
  const markup = added.filter(
    (token) => !token.special && /^[<[{|].*[>\]}|]$/s.test(token.content) && source.includes(token.content),
  )
  return {
    everywhere: [...controls, ...markup],
    inAnswers: controls.filter((token) => !isSoughtBy(source, token.content)),
  }
}

export interface GuardedRendering {
  /** The rendering of `input` as it is. */
  text: string
  input: Readonly<Record<string, unknown>>
  source: string
  guarded: GuardedTokens
  render(input: Record<string, unknown>): string
}

/** Ascending positions in `text` that lie within a user's spelling of a control token. */
export function guardConversation({ text, input, source, guarded, render }: GuardedRendering): number[] {
  const marker = unusedCharacter(text + source)
  const everywhere = new Breaker(guarded.everywhere, marker)
  const inAnswers = new Breaker(guarded.inAnswers, marker)
  const marked: Record<string, unknown> = { ...input }
  for (const name of Object.keys(input)) {
    if (!/_tokens?$/.test(name)) marked[name] = everywhere.breakIn(input[name])
  }
  marked.messages = (input.messages as readonly object[]).map((message) => {
    return ((message as { role?: unknown }).role === 'assistant' ? inAnswers : everywhere).breakIn(message)
  })
  const broken = new Set([...everywhere.broken, ...inAnswers.broken])
  if (broken.size === 0) return []
  const { text: unmarked, barriers } = takeMarkers(
    renderOrNothing(() => render(marked)),
    marker,
  )
  return unmarked === text ? barriers : realign(text, unmarked, barriers, broken)
}

/** A template may refuse the broken spellings where it took the whole ones. */
function renderOrNothing(render: () => string): string {
  try {
    return render()
  } catch {
    return ''
  }
}

/** Puts the marker into strings at any depth of plain data. */
class Breaker {
  /** The spellings that were, or might have become, part of a string. */
  readonly broken = new Set<string>()
  readonly #tokens: AddedTokenMatcher
  readonly #marker: string

  constructor(tokens: readonly Token[], marker: string) {
    this.#tokens = new AddedTokenMatcher(tokens.map((token) => [token.content, token]))
    this.#marker = marker
  }

  breakIn(value: unknown): unknown {
    if (typeof value === 'string') return this.#breakText(value)
    if (Array.isArray(value)) return value.map((item) => this.breakIn(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.#breakText(key), this.breakIn(item)]))
  }

  #breakText(text: string): string {
    let result = ''
    let done = 0
    for (let i = 0; i < text.length; i++) {
      const spellings = this.#tokens.beginningAt(text, i)
      if (spellings.length === 0) continue
      for (const token of spellings) this.broken.add(token.content)
      const width = text.codePointAt(i)! > 0xffff ? 2 : 1
      result += text.slice(done, i + width) + this.#marker
      done = i + width
    }
    return result + text.slice(done)
  }
}

/** A private-use character that stands nowhere in `text`, itself or as a JSON escape. */
function unusedCharacter(text: string): string {
  const lower = text.toLowerCase()
  for (let code = 0xe000; code < 0xf8ff; code++) {
    if (!text.includes(String.fromCharCode(code)) && !lower.includes(`\\u${code.toString(16)}`))
      return String.fromCharCode(code)
  }
  return '\uf8ff'
}

function takeMarkers(marked: string, marker: string): { text: string; barriers: number[] } {
  const asJson = `\\u${marker.charCodeAt(0).toString(16)}`
  const parts = marked.replaceAll(asJson, marker).split(marker)
  const barriers: number[] = []
  let length = 0
  for (const part of parts.slice(0, -1)) {
    length += part.length
    if (barriers.at(-1) !== length) barriers.push(length)
  }
  return { text: parts.join(''), barriers }
}

/**
 * The template saw the broken spellings and rendered something else. Where the two texts agree, at both ends, the barriers
 * hold; between, every spelling that users wrote is taken for theirs.
 */
function realign(text: string, unmarked: string, barriers: readonly number[], broken: ReadonlySet<string>): number[] {
  const shortest = Math.min(text.length, unmarked.length)
  let head = 0
  while (head < shortest && text[head] === unmarked[head]) head++
  let tail = 0
  while (tail < shortest - head && text.at(-1 - tail) === unmarked.at(-1 - tail)) tail++
  const shift = text.length - unmarked.length
  const kept = barriers.filter((at) => at <= head)
  const moved = barriers.filter((at) => at > head && at >= unmarked.length - tail).map((at) => at + shift)
  const between: number[] = []
  for (const content of broken) {
    const from = Math.max(0, head - content.length)
    for (let at = text.indexOf(content, from); at >= 0 && at < text.length - tail; at = text.indexOf(content, at + 1)) {
      if (at + content.length > head) between.push(at + 1)
    }
  }
  return [...new Set([...kept, ...between, ...moved])].sort((a, b) => a - b)
}

/** Whether the template tests or cuts strings by this spelling. */
function isSoughtBy(source: string, spelling: string): boolean {
  if (!source.includes(spelling)) return false
  const quoted = ["'", '"'].map((quote) => quote + spelling + quote)
  return quoted.some((literal) => {
    const pattern = literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const method = `\\.(?:split|rsplit|startswith|endswith|replace|partition|find|index|count)\\(\\s*${pattern}`
    return new RegExp(`${method}|${pattern}\\s+(?:not\\s+)?in\\s`).test(source)
  })
}
