const encoder = new TextEncoder()
const KEEP_ALIVE = encoder.encode(': keep-alive\n\n')

export interface EventStreamOptions {
  /** How long an answer may hold its status back: what fails by then is an error of its own, not the end of a stream. */
  readonly streamGraceMs: number
  /** Silence after which a comment is sent. */
  readonly keepAliveMs: number
  /** How long the reader may stand still. */
  readonly stallTimeoutMs: number
  /** Whether more waits for the reader than may. */
  readonly overflows: () => boolean
  /** The reader stands still, or is too far behind: the source is to be ended and the connection cut. */
  readonly onStall: () => void
  /** The last event of a stream that fails. */
  readonly failure: (error: unknown) => string
  /** The reader has left. */
  readonly onCancel: () => void
}

export const EVENT_STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}

/** A server-sent event, in the form that clients of OpenAI's API read. */
export function event(data: object | string): string {
  return `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

/**
 * A stream of events that is only produced as fast as it is read. Resolves once the first event is there, or has been long
 * in coming; rejects if the source fails before.
 */
export async function eventStream(
  source: AsyncGenerator<string>,
  options: EventStreamOptions,
): Promise<ReadableStream<Uint8Array>> {
  const first = source.next()
  let grace: NodeJS.Timeout | undefined
  await Promise.race([first, new Promise<void>((resolve) => (grace = setTimeout(resolve, options.streamGraceMs)))])
  clearTimeout(grace)
  return new ReadableStream(new EventSource(source, first, options), { highWaterMark: 0 })
}

class EventSource {
  private readonly clock: NodeJS.Timeout
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined
  /** The reader waits for us, rather than we for it. */
  private wanted = false
  private quietSince = performance.now()

  constructor(
    private readonly source: AsyncGenerator<string>,
    private next: Promise<IteratorResult<string>> | undefined,
    private readonly options: EventStreamOptions,
  ) {
    const { keepAliveMs, stallTimeoutMs } = options
    const period = Math.max(1, Math.min(1000, keepAliveMs / 2, stallTimeoutMs / 2))
    this.clock = setInterval(() => this.tick(), period)
    this.clock.unref()
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.controller = controller
    this.wanted = true
    try {
      const { done, value } = await (this.next ?? this.source.next())
      this.next = undefined
      if (!this.wanted) return
      if (done) this.finish(controller)
      else this.send(encoder.encode(value))
    } catch (error) {
      if (!this.wanted) return
      this.send(encoder.encode(this.options.failure(error)))
      this.finish(controller)
    }
    this.wanted = false
  }

  async cancel(): Promise<void> {
    this.wanted = false
    clearInterval(this.clock)
    this.options.onCancel()
    await this.source.return(undefined)
  }

  private finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    clearInterval(this.clock)
    controller.close()
  }

  private send(bytes: Uint8Array): void {
    this.controller!.enqueue(bytes)
    this.quietSince = performance.now()
  }

  private tick(): void {
    const quiet = performance.now() - this.quietSince
    const { keepAliveMs, stallTimeoutMs, overflows, onStall } = this.options
    if (this.wanted) {
      if (quiet >= keepAliveMs) this.send(KEEP_ALIVE)
    } else if (quiet >= stallTimeoutMs || overflows()) {
      clearInterval(this.clock)
      onStall()
    }
  }
}
