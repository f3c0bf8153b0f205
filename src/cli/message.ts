import { isWarplineError } from '../index.js'
import { flagOf, OPTION_NAMES } from './flags.js'

/** `code: message` on one line, in the words of the command line. */
export function messageOf(error: unknown): string {
  const text = isWarplineError(error) ? `${error.code}: ${inFlags(error.message)}` : `unexpected: ${String(error)}`
  return text.replace(/\s*\n\s*/g, ' ')
}

/** What the library advises in code. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\btruncate: ['‘]left['’]/g, '--truncate left'],
  [/\b(token ids)$/, '$1 (--prompt-ids)'],
  [/\bor unset HF_HUB_OFFLINE\b/g, 'without --offline and HF_HUB_OFFLINE'],
  [/\bnumReturn\b/g, '--n'],
  [/\bstopIds\b/g, '--stop-token-ids'],
  [/\bdtype(?= or kvDtype\b)/g, '--dtype'],
]

const COMPOUND = OPTION_NAMES.filter((name) => name !== name.toLowerCase())
const ANYWHERE = new RegExp(`(?<![\\w/.-])(${COMPOUND.join('|')})(?!\\w)`, 'g')
/** Names that are English words too mean the option only where a message begins with what it is about. */
const AT_START = new RegExp(`^(${OPTION_NAMES.join('|')})(?=:? )`)

/** The library's messages name its options; whoever typed a command knows them as flags. */
export function inFlags(message: string): string {
  const phrased = PHRASES.reduce((text, [pattern, words]) => text.replace(pattern, words), message)
  return phrased.replace(AT_START, flagOf).replace(ANYWHERE, flagOf)
}
