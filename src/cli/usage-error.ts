import { WarplineError } from '../errors.js'

/** The command line itself is wrong (exit code 2), as opposed to what it asked for (exit code 1). */
export class UsageError extends WarplineError {
  constructor(message: string) {
    super('usage', message)
  }
}
