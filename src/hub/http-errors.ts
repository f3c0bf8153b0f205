import { WarplineError } from '../errors.js'

/** A trouble that may pass: `reason` is the error to report if it does not. */
export class Transient extends Error {
  constructor(
    readonly reason: WarplineError,
    readonly retryAfterMs?: number,
  ) {
    super(reason.message)
  }
}

interface RequestFacts {
  readonly url: URL
  /** The hub itself answered, not a file store it redirected to. */
  readonly isHub: boolean
  readonly hasToken: boolean
}

/** What a status means; undefined where the answer is to be read (success, and 416 about the range asked for). */
export function describeStatus(response: Response, facts: RequestFacts): Error | undefined {
  const { status } = response
  const where = `${facts.url.origin}${facts.url.pathname}`
  if (response.ok || status === 416) return undefined
  if (facts.isHub && (status === 401 || status === 403)) return unauthorized(where, facts.hasToken)
  if (facts.isHub && (status === 404 || status === 410)) return notFound(where, response.headers.get('x-error-code'))
  if (status === 429) {
    const problem = `${where} asks to wait (status 429); try again later${facts.hasToken ? '' : ', or set HF_TOKEN for a higher limit'}`
    return new Transient(new WarplineError('hub-rate-limited', problem), retryAfter(response))
  }
  if (status === 408 || status >= 500) {
    const problem = `${where} has a trouble of its own (status ${status}); try again later`
    return new Transient(new WarplineError('hub-server-error', problem), retryAfter(response))
  }
  const refused = new WarplineError('hub-bad-answer', `${where} answers with status ${status}`)
  // A file store refuses addresses whose signature has expired; asking the hub again gives a fresh one.
  return facts.isHub ? refused : new Transient(refused)
}

function unauthorized(where: string, hasToken: boolean): WarplineError {
  const advice = hasToken
    ? 'the token gives no access; check the name, accept the licence on the page of the model, or use another token'
    : 'the model does not exist, is private or is gated; check the name, or set HF_TOKEN to a token with access'
  return new WarplineError('hub-unauthorized', `${where} is refused: ${advice}`)
}

function notFound(where: string, code: string | null): WarplineError {
  const what = code === 'RevisionNotFound' ? 'this revision' : code === 'EntryNotFound' ? 'this file' : 'this model'
  return new WarplineError(
    'hub-not-found',
    `${where} does not exist: the hub has no record of ${what}; check the spelling`,
  )
}

function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after')
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) * 1000 : undefined
}
