/**
 * Warpline's HTTP server: OpenAI's API, KServe v2's generate extension, metrics and a page to try a model.
 *
 * @packageDocumentation
 */
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pino } from 'pino'
import type { LLM } from '../index.js'
import { createApp } from './app.js'
import { type ListeningServer, listen } from './listen.js'
import { type ServerOptions, settingsOf } from './options.js'
import { Service } from './service.js'

export type { RequestLimits, ServerOptions } from './options.js'

export interface RunningServer {
  /** Where it listens: `http://127.0.0.1:8000`. */
  readonly url: string
  /** Takes no more requests, lets the open ones finish within `shutdownTimeoutMs`, then closes; true if all of them finished. */
  stop(): Promise<boolean>
}

/** Serves a model that was loaded. It stays the caller's: close it after the server has stopped. */
export async function serve(llm: LLM, options: ServerOptions = {}): Promise<RunningServer> {
  const { service, app } = createService(llm, options)
  const listening: ListeningServer = await listen(app, service)
  return listening
}

/** The same without a socket: `app.request` answers, for tests and for programs that have a server of their own. */
export function createService(llm: LLM, options: ServerOptions = {}) {
  const settings = settingsOf(options, modelNameOf(llm.info.name))
  const service = new Service(llm, settings, options.logger ?? pino({ level: 'silent' }))
  return { service, app: createApp(service) }
}

/** A folder is called by its last part; a name on the hub is kept whole. */
function modelNameOf(name: string): string {
  return existsSync(name) ? basename(resolve(name)) : name
}
