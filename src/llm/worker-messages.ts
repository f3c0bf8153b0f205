import type { EngineStats } from '../engine/engine.js'
import type { EngineCommand, EngineEvent } from '../engine/messages.js'
import type { ErrorCode } from '../error-codes.js'
import type { RunningFacts } from './load-model.js'
import type { LoadOptions } from './options.js'

/** What the engine's thread begins with: a folder, and options that are plain data. */
export interface WorkerStart {
  readonly directory: string
  readonly options: Omit<LoadOptions, 'onProgress' | 'onEngineCrash' | 'signal' | 'worker'>
}

export type ToWorker =
  /** Commands of one turn of the caller's event loop, in order. */
  | { readonly type: 'commands'; readonly commands: readonly EngineCommand[] }
  | { readonly type: 'abort-load' }
  /** Answered by the thread's end. */
  | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'loaded'; readonly facts: RunningFacts; readonly stats: EngineStats }
  | { readonly type: 'load-failed'; readonly code: ErrorCode; readonly message: string }
  /** Everything that a step had to say, in one message: threads cost by the message. */
  | { readonly type: 'events'; readonly events: readonly EngineEvent[]; readonly stats: EngineStats }
  | { readonly type: 'stats'; readonly stats: EngineStats }
  | { readonly type: 'crashed'; readonly message: string }
