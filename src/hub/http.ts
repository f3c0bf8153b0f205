import { setTimeout as delay } from 'node:timers/promises'
import { isWarplineError, WarplineError } from '../errors.js'
import { describeStatus, Transient } from './http-errors.js'
import type { HubSettings } from './settings.js'

/** How long to bear with a server. */
export interface Patience {
  /** Attempts without any progress before giving up. */
  readonly attempts: number
  /** Before the second attempt; doubles with each further one. */
  readonly delayMs: number
  /** Longest silence of a server that should be sending. */
  readonly idleMs: number
}

const DEFAULT_PATIENCE: Patience = { attempts: 5, delayMs: 500, idleMs: 30_000 }
const MAX_DELAY_MS = 60_000
const MAX_REDIRECTS = 10
const MAX_API_BYTES = 64 * 2 ** 20

/** Reads one answer; it calls `alive` whenever something arrived. */
export type Consumer<T> = (response: Response, alive: () => void) => Promise<T>

/**
 * GET requests to the hub: redirects are followed here, so that the token goes to the hub alone and never to the file
 * store that it points to; passing troubles are retried. Errors: `hub-unauthorized`, `hub-not-found`, `hub-rate-limited`,
 * `hub-server-error`, `hub-unreachable`, `hub-bad-answer`, `cancelled`.
 */
export class HubHttp {
  readonly #settings: HubSettings
  readonly #origin: string
  readonly #signal: AbortSignal | undefined
  readonly #patience: Patience

  constructor(settings: HubSettings, signal?: AbortSignal, patience: Partial<Patience> = {}) {
    this.#settings = settings
    this.#origin = new URL(settings.endpoint).origin
    this.#signal = signal
    this.#patience = { ...DEFAULT_PATIENCE, ...patience }
  }

  /** Repeats `attempt` while it throws Transient; an attempt that made progress starts the count anew. */
  async retrying<T>(attempt: () => Promise<T>, madeProgress: () => boolean = () => false): Promise<T> {
    const { attempts, delayMs } = this.#patience
    for (let failures = 0; ; ) {
      try {
        return await attempt()
      } catch (error) {
        if (!(error instanceof Transient)) throw error
        failures = madeProgress() ? 1 : failures + 1
        const wait = error.retryAfterMs ?? delayMs * 2 ** (failures - 1)
        if (failures >= attempts || wait > MAX_DELAY_MS) throw error.reason
        await this.#pause(wait)
      }
    }
  }

  /** One request without repetition: passing troubles throw Transient, so that the caller decides what to repeat. */
  async exchange<T>(url: string, headers: Record<string, string>, consume: Consumer<T>): Promise<T> {
    const controller = new AbortController()
    const cancel = () => controller.abort()
    if (this.#signal?.aborted) throw cancelled(this.#signal)
    this.#signal?.addEventListener('abort', cancel)
    const idle = setTimeout(() => controller.abort(), this.#patience.idleMs)
    try {
      const response = await this.#follow(url, headers, controller.signal)
      return await consume(response, () => idle.refresh())
    } catch (error) {
      if (this.#signal?.aborted) throw cancelled(this.#signal)
      if (isWarplineError(error) || error instanceof Transient || !isNetworkError(error)) throw error
      throw new Transient(unreachable(url, controller.signal.aborted ? this.#silence() : error))
    } finally {
      clearTimeout(idle)
      this.#signal?.removeEventListener('abort', cancel)
      controller.abort()
    }
  }

  /** A `fetch` for clients of the hub's API: whole answers of bounded size, at most `requests` of them. */
  apiFetch(requests: number): typeof fetch {
    let left = requests
    return async (input) => {
      if (left-- === 0)
        throw new WarplineError('hub-bad-answer', `the hub answers without end; ${requests} requests made`)
      const url = input instanceof Request ? input.url : String(input)
      return this.retrying(() =>
        this.exchange(url, { accept: 'application/json' }, async (response, alive) => {
          const body = await readBounded(response, alive)
          const link = response.headers.get('link')
          return new Response(body, { headers: { 'content-type': 'application/json', ...(link && { link }) } })
        }),
      )
    }
  }

  async #follow(start: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    let url = new URL(start)
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const isHub = url.origin === this.#origin
      const sent = new Headers({ ...headers, 'accept-encoding': 'identity', 'user-agent': 'warpline' })
      if (isHub && this.#settings.token) sent.set('authorization', `Bearer ${this.#settings.token}`)
      const response = await fetch(url, { redirect: 'manual', signal, headers: sent })
      if (response.status < 300 || response.status > 399) {
        const problem = describeStatus(response, { url, isHub, hasToken: this.#settings.token !== undefined })
        if (problem) throw problem
        return response
      }
      await response.body?.cancel()
      url = nextUrl(url, response.headers.get('location'))
    }
    throw new WarplineError('hub-bad-answer', `${plain(new URL(start))} redirects more than ${MAX_REDIRECTS} times`)
  }

  async #pause(ms: number): Promise<void> {
    try {
      await delay(ms, undefined, { signal: this.#signal })
    } catch {
      throw cancelled(this.#signal)
    }
  }

  #silence(): Error {
    return new Error(`nothing arrived for ${this.#patience.idleMs / 1000} seconds`)
  }
}

/** The user took the request back. */
export function cancelled(signal: AbortSignal | undefined): WarplineError {
  return new WarplineError('cancelled', 'the download was cancelled; run it again to go on where it stopped', {
    cause: signal?.reason,
  })
}

/** Where a redirect leads; never from an encrypted connection to an open one. */
export function nextUrl(from: URL, location: string | null): URL {
  const to = location !== null && URL.canParse(location, from.href) ? new URL(location, from) : undefined
  const isWeb = to && /^https?:$/.test(to.protocol)
  if (isWeb && (to.protocol === 'https:' || from.protocol === 'http:')) return to
  throw new WarplineError('hub-bad-answer', `${plain(from)} redirects to where no download may go`)
}

/** Without the query, which may hold a signature. */
function plain(url: URL): string {
  return `${url.origin}${url.pathname}`
}

async function readBounded(response: Response, alive: () => void): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    alive()
    size += chunk.byteLength
    if (size > MAX_API_BYTES)
      throw new WarplineError('hub-bad-answer', 'the hub answers with more data than it can mean')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What fetch throws when the connection fails, breaks or is aborted; a TypeError without a cause is a mistake in code. */
function isNetworkError(error: unknown): boolean {
  if (error instanceof TypeError) return error.cause !== undefined
  return error instanceof DOMException && error.name === 'AbortError'
}

function unreachable(url: string, error: unknown): WarplineError {
  const { cause } = error as Error
  const reason =
    cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : (error as Error).message
  const advice = 'check the network, HF_ENDPOINT and proxies; what was downloaded is kept'
  return new WarplineError('hub-unreachable', `${plain(new URL(url))} cannot be reached: ${reason}; ${advice}`, {
    cause: error,
  })
}
