/**
 * Tokens that are found in text before anything else is done to it: control tokens and words added to a vocabulary.
 * Leftmost match, longest first, as Hugging Face tokenizers 0.23 does it (`added_vocabulary.rs`).
 */
export interface AddedToken {
  id: number
  content: string
  special: boolean
  /** Matches only where no letter, digit or underscore touches it. */
  singleWord: boolean
  /** Takes the white space on its left, or right, into the match. */
  stripLeft: boolean
  stripRight: boolean
  /** Sought in the normalized text. */
  normalized: boolean
}

/** A stretch of text, and the token that it is. */
export interface TokenSpan {
  start: number
  end: number
  token: AddedToken | undefined
}

interface Node {
  readonly children: Map<number, Node>
  token: AddedToken | undefined
}

const word = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]'
const wordAtEnd = new RegExp(`${word}$`, 'u')
const wordAtStart = new RegExp(`^${word}`, 'u')
const whiteSpace = /\p{White_Space}/u

export class AddedTokenMatcher {
  readonly #root: Node = { children: new Map(), token: undefined }

  constructor(spellings: Iterable<readonly [string, AddedToken]>) {
    for (const [spelling, token] of spellings) {
      let node = this.#root
      for (let i = 0; i < spelling.length; i++) {
        const code = spelling.charCodeAt(i)
        let child = node.children.get(code)
        if (child === undefined) {
          child = { children: new Map(), token: undefined }
          node.children.set(code, child)
        }
        node = child
      }
      if (node !== this.#root) node.token = token
    }
  }

  /**
   * Cuts all of `text` into tokens and what lies between. A match that `refuses` is turned down stays text, and so do
   * shorter tokens within it.
   */
  split(text: string, refuses?: (token: AddedToken, start: number, end: number) => boolean): TokenSpan[] {
    const spans: TokenSpan[] = []
    let done = 0
    for (let at = 0; at < text.length; ) {
      const token = this.#longestAt(text, at)
      if (token === undefined) {
        at++
        continue
      }
      const [start, end] = [at, at + token.length]
      at = end
      if (refuses?.(token.token, start, end) || (token.token.singleWord && touchesWord(text, start, end))) continue
      const from = token.token.stripLeft ? Math.max(done, spaceBefore(text, start)) : start
      const to = token.token.stripRight ? spaceAfter(text, end) : end
      if (done < from) spans.push({ start: done, end: from, token: undefined })
      spans.push({ start: from, end: to, token: token.token })
      done = to
    }
    if (done < text.length) spans.push({ start: done, end: text.length, token: undefined })
    return spans
  }

  /** The tokens that `text` spells from `at` on, and, where it ends within a spelling, those it may go on to spell. */
  beginningAt(text: string, at: number): AddedToken[] {
    const found: AddedToken[] = []
    let node = this.#root.children.get(text.charCodeAt(at))
    for (let i = at + 1; node !== undefined; i++) {
      if (node.token !== undefined) found.push(node.token)
      if (i === text.length) return [...found, ...tokensBelow(node)]
      node = node.children.get(text.charCodeAt(i))
    }
    return found
  }

  #longestAt(text: string, at: number): { token: AddedToken; length: number } | undefined {
    let node = this.#root.children.get(text.charCodeAt(at))
    let found: { token: AddedToken; length: number } | undefined
    for (let i = at + 1; node !== undefined; i++) {
      if (node.token !== undefined) found = { token: node.token, length: i - at }
      node = i < text.length ? node.children.get(text.charCodeAt(i)) : undefined
    }
    return found
  }
}

function tokensBelow(node: Node): AddedToken[] {
  return [...node.children.values()].flatMap((child) => [...(child.token ? [child.token] : []), ...tokensBelow(child)])
}

function touchesWord(text: string, start: number, end: number): boolean {
  return wordAtEnd.test(text.slice(Math.max(0, start - 2), start)) || wordAtStart.test(text.slice(end, end + 2))
}

function spaceBefore(text: string, start: number): number {
  while (start > 0 && whiteSpace.test(text[start - 1]!)) start--
  return start
}

function spaceAfter(text: string, end: number): number {
  while (end < text.length && whiteSpace.test(text[end]!)) end++
  return end
}
