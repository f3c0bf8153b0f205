import type { EngineCommand, EngineEvent, EngineRequest } from '../engine/messages.js'
import { WarplineError } from '../errors.js'

/** What the client's side needs of an engine, wherever it lives. */
export interface EnginePort {
  post(command: EngineCommand): void
  onEvent(listener: (event: EngineEvent) => void): void
  close(): Promise<void>
}

type Listener = (event: EngineEvent) => void

/** Gives each request's events to its own listener, and ties AbortSignals to cancellation. */
export class EngineClient {
  private readonly listeners = new Map<string, Listener>()
  private nextId = 1
  private closed = false

  constructor(private readonly port: EnginePort) {
    port.onEvent((event) => {
      const listener = this.listeners.get(event.id)
      if (event.type === 'failure' || (event.type === 'finish' && event.last)) this.listeners.delete(event.id)
      listener?.(event)
    })
  }

  /** Starts a request; the returned handle ends it, or one of its choices, early. */
  submit(request: Omit<EngineRequest, 'id'>, signal: AbortSignal | undefined, listener: Listener): RequestHandle {
    if (this.closed) throw new WarplineError('model-closed', 'this model is closed; load it again')
    const id = `r${this.nextId++}`
    const cancel = () => this.port.post({ type: 'cancel', id })
    const ended: Listener = (event) => {
      if (!this.listeners.has(id)) signal?.removeEventListener('abort', cancel)
      listener(event)
    }
    this.listeners.set(id, ended)
    this.port.post({ type: 'add', request: { ...request, id } })
    if (signal?.aborted) cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
    return { cancel, stopChoice: (index) => this.port.post({ type: 'stop-choice', id, index }) }
  }

  endSession(session: string): void {
    if (!this.closed) this.port.post({ type: 'end-session', session })
  }

  /** Running requests end with `engine-closed`. */
  async close(): Promise<void> {
    this.closed = true
    await this.port.close()
  }
}

export interface RequestHandle {
  cancel(): void
  stopChoice(index: number): void
}
