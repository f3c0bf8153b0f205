import type { ErrorCode } from './error-codes.js'

/**
 * Every error a user can cause is a WarplineError: a stable `code` for programs and a message that says what to change.
 * Codes are kebab-case nouns of the condition (`context-too-long`), never of the place that noticed it.
 */
export class WarplineError extends Error {
  /** Stable, listed in docs/errors.md; programs switch on it. */
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(oneLine(message), options)
    this.name = 'WarplineError'
    this.code = code
  }

  /** One line for a terminal: `code: message`. */
  override toString(): string {
    return `${this.code}: ${this.message}`
  }
}

const LONGEST_MESSAGE = 1000

/** Messages quote files and requests: whatever those hold, a message is one line of printable text of bounded length. */
function oneLine(message: string): string {
  const cut = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}...` : message
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return cut.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return /\s/.test(character) ? ' ' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
}

/** Narrows an unknown thrown value. */
export function isWarplineError(error: unknown): error is WarplineError {
  return error instanceof WarplineError
}

/** The candidate nearest to `name` by edit distance, if near enough to be what the user meant. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution)
    }
    previous = current
  }
  return previous[b.length]!
}
