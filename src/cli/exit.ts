import { isWarplineError } from '../index.js'

export const FAILURE = 1
export const WRONG_USAGE = 2
export const INTERRUPTED = 130

/** Ends the command with this exit code; what there was to say has been said. */
export class Exit extends Error {
  constructor(readonly status: number) {
    super(`exit ${status}`)
  }
}

/** What is wrong with the command line itself: correcting a flag is all it takes. */
const WRONG_USAGE_CODES: ReadonlySet<string> = new Set([
  'usage',
  'option-unknown',
  'option-invalid',
  'option-unsupported',
  'parameter-invalid',
  'too-many-choices',
  'hub-name-invalid',
  'hub-revision-invalid',
])

/**
 * 2 where a flag, or the value of one, is unknown, malformed or out of range; 130 after Ctrl-C; 1 where the command was
 * understood and the model, a file, the text, the device or the network stands in its way.
 */
export function exitCodeOf(error: unknown): number {
  if (!isWarplineError(error)) return FAILURE
  if (error.code === 'cancelled') return INTERRUPTED
  return WRONG_USAGE_CODES.has(error.code) ? WRONG_USAGE : FAILURE
}
