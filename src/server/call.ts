import { ApiError } from './http/api-error.js'

/**
 * A request's time on the engine: one signal that ends it early, and why it did. The client may leave, the deadline may
 * pass, the reader may stand still, the server may stop.
 */
export class Call {
  private readonly controller = new AbortController()
  private readonly timer: NodeJS.Timeout
  private readonly onLeave = () => this.cancel(new ApiError(400, 'client_closed_request', 'the client left'))
  /** Why it was ended early. */
  reason: ApiError | undefined

  constructor(
    private readonly client: AbortSignal,
    timeoutMs: number,
  ) {
    this.timer = setTimeout(() => this.cancel(deadlinePassed(timeoutMs)), timeoutMs)
    this.timer.unref()
    if (client.aborted) this.onLeave()
    else client.addEventListener('abort', this.onLeave, { once: true })
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  get clientLeft(): boolean {
    return this.client.aborted
  }

  /** The first reason counts. */
  cancel(reason: ApiError): void {
    if (this.reason) return
    this.reason = reason
    this.controller.abort(reason)
  }

  /** The engine has nothing more to do for it. */
  end(): void {
    clearTimeout(this.timer)
    this.client.removeEventListener('abort', this.onLeave)
  }
}

function deadlinePassed(timeoutMs: number): ApiError {
  return new ApiError(504, 'deadline_exceeded', `the answer was not complete after ${timeoutMs / 1000} s`)
}

export function shuttingDown(): ApiError {
  return new ApiError(503, 'shutting_down', 'the server is shutting down; send the request again', {
    headers: { 'Retry-After': '5', Connection: 'close' },
  })
}

export function readerStalled(): ApiError {
  return new ApiError(400, 'reader_stalled', 'the stream was not read')
}
