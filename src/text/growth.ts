/** Replacements and prefixes of a hostile checkpoint double a text at every stage; these stop it before memory ends. */
import { WarplineError } from '../errors.js'
import { MAX_WORKING_LENGTH } from './limits.js'

/** Far above every real one: NFKD writes one Arabic ligature as 18 characters. */
const MAX_GROWTH = 64
/** What a text of a few characters may become all the same. */
const ALWAYS_ALLOWED = 2 ** 16

/** Gives `text`, made of one of `from` characters, back, or throws `text-too-long`. */
export function bounded(text: string, from: number): string {
  checkGrowth(text.length, from)
  return text
}

export function lengthOf(pieces: readonly string[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}

/** `text.replaceAll`, which stops before a result that is too long is put together. */
export function replaceBounded(text: string, sought: string | RegExp, content: string): string {
  let length = text.length
  return text.replaceAll(sought, (match) => {
    length += content.length - match.length
    checkGrowth(length, text.length)
    return content
  })
}

/** Throws `text-too-long` where the tokenizer has made `length` characters of `from`, which no real one does. */
export function checkGrowth(length: number, from: number): void {
  if (length > Math.min(MAX_WORKING_LENGTH, MAX_GROWTH * from + ALWAYS_ALLOWED)) {
    throw new WarplineError(
      'text-too-long',
      `the tokenizer makes ${length} characters of a text of ${from}; split the text, or pass token ids`,
    )
  }
}
