import type { HttpBindings } from '@hono/node-server'
import type { KeyId } from './http/keys.js'
import type { RequestSpan } from './observe/tracing.js'

/** What a request's log line says beside its path and status. */
export type Notes = Record<string, unknown>

/** What handlers find in a request's context. */
export interface Environment {
  /** Absent where the app is called without a socket. */
  readonly Bindings: Partial<HttpBindings>
  readonly Variables: {
    readonly requestId: string
    readonly key: KeyId
    readonly notes: Notes
    readonly span: RequestSpan
  }
}
