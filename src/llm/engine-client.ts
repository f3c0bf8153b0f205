import type { EngineCommand, EngineEvent, EngineRequest } from '../engine/messages.js'
import { WarplineError } from '../errors.js'
import type { Vocabulary } from '../grammar/index.js'

/** What the client's side needs of an engine, wherever it lives. */
export interface EnginePort {
  post(command: EngineCommand): void
  onEvent(listener: (event: EngineEvent) => void): void
  close(): Promise<void>
}

type Listener = (event: EngineEvent) => void

interface OpenRequest {
  readonly listener: Listener
  readonly signal: AbortSignal | undefined
}

/** Gives each request's events to its own listener, and ties AbortSignals to cancellation. */
export class EngineClient {
  private readonly requests = new Map<string, OpenRequest>()
  private readonly watches = new Map<AbortSignal, SignalWatch>()
  private nextId = 1
  private closed = false

  constructor(private readonly port: EnginePort) {
    port.onEvent((event) => {
      const request = this.requests.get(event.id)
      if (event.type === 'failure' || (event.type === 'finish' && event.last)) this.forget(event.id)
      request?.listener(event)
    })
  }

  /** Starts a request; the returned handle ends it, or one of its choices, early. */
  submit(request: Omit<EngineRequest, 'id'>, signal: AbortSignal | undefined, listener: Listener): RequestHandle {
    if (this.closed) throw new WarplineError('model-closed', 'this model is closed; load it again')
    const id = `r${this.nextId++}`
    const cancel = () => this.port.post({ type: 'cancel', id })
    if (signal && !signal.aborted) this.watch(signal).add(id)
    this.requests.set(id, { listener, signal })
    this.port.post({ type: 'add', request: { ...request, id } })
    if (signal?.aborted) cancel()
    return { cancel, stopChoice: (index) => this.port.post({ type: 'stop-choice', id, index }) }
  }

  /** What the engine's tokens are in text, before the first request that has a grammar. */
  teach(vocabulary: Vocabulary): void {
    this.port.post({ type: 'vocabulary', vocabulary })
  }

  endSession(session: string): void {
    if (!this.closed) this.port.post({ type: 'end-session', session })
  }

  /** Running requests end with `engine-closed`. */
  async close(): Promise<void> {
    this.closed = true
    await this.port.close()
  }

  private watch(signal: AbortSignal): SignalWatch {
    const known = this.watches.get(signal)
    if (known) return known
    const watch = new SignalWatch(signal, (id) => this.port.post({ type: 'cancel', id }))
    this.watches.set(signal, watch)
    return watch
  }

  private forget(id: string): void {
    const signal = this.requests.get(id)?.signal
    this.requests.delete(id)
    const watch = signal && this.watches.get(signal)
    if (watch?.remove(id)) this.watches.delete(signal!)
  }
}

/** One listener on a signal, however many requests share it: Node warns of the eleventh. */
class SignalWatch {
  private readonly ids = new Set<string>()
  private readonly onAbort: () => void

  constructor(
    private readonly signal: AbortSignal,
    cancel: (id: string) => void,
  ) {
    this.onAbort = () => {
      for (const id of this.ids) cancel(id)
    }
    signal.addEventListener('abort', this.onAbort)
  }

  add(id: string): void {
    this.ids.add(id)
  }

  /** True when nobody is left, and the signal is no longer listened to. */
  remove(id: string): boolean {
    this.ids.delete(id)
    if (this.ids.size > 0) return false
    this.signal.removeEventListener('abort', this.onAbort)
    return true
  }
}

export interface RequestHandle {
  cancel(): void
  stopChoice(index: number): void
}
