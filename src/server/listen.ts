import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAdaptorServer } from '@hono/node-server'
import { WarplineError } from '../errors.js'
import type { createApp } from './app.js'
import { shuttingDown } from './call.js'
import type { Service } from './service.js'

/** Time that a cancelled request has to say so to its client. */
const LAST_WORDS_MS = 1000
const POLL_MS = 20

/** The app on a socket. Throws `address-unavailable`. */
export async function listen(app: ReturnType<typeof createApp>, service: Service): Promise<ListeningServer> {
  const { host, port, maxHeaderBytes, receiveTimeoutMs, maxConnections } = service.settings
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: receiveTimeoutMs,
      requestTimeout: receiveTimeoutMs,
      connectionsCheckingInterval: Math.max(100, Math.min(5000, receiveTimeoutMs / 2)),
      keepAliveTimeout: 75_000,
    },
  }) as Server
  server.maxConnections = maxConnections
  // A malformed request is its sender's business; Node answers it with 400, 408 or 431.
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(unavailable(host, port, error)))
    server.listen(port, host, resolve)
  })
  return new ListeningServer(server, service)
}

export class ListeningServer {
  /** `http://127.0.0.1:8000` */
  readonly url: string
  private stopping: Promise<boolean> | undefined

  constructor(
    private readonly server: Server,
    private readonly service: Service,
  ) {
    const { address, port, family } = server.address() as AddressInfo
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  /**
   * Takes nothing new, lets open requests finish within the time they have, and closes. True if all of them finished by
   * themselves. A second call returns the first's promise.
   */
  stop(): Promise<boolean> {
    this.stopping ??= this.shutDown()
    return this.stopping
  }

  private async shutDown(): Promise<boolean> {
    const { drainDelayMs, shutdownTimeoutMs } = this.service.settings
    this.service.announceStop()
    if (drainDelayMs > 0) await sleep(drainDelayMs)
    this.service.stopTaking()
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.server.closeIdleConnections()
    const finished = await this.within(shutdownTimeoutMs, closed)
    if (finished) return true
    this.service.cancelAll(shuttingDown)
    if (!(await this.within(LAST_WORDS_MS, closed))) this.server.closeAllConnections()
    await closed
    return false
  }

  /** Connections that fell idle meanwhile are closed on the way: a client may keep one open for minutes. */
  private async within(ms: number, closed: Promise<void>): Promise<boolean> {
    const until = performance.now() + ms
    let done = false
    void closed.then(() => (done = true))
    while (!done && performance.now() < until) {
      await Promise.race([closed, sleep(Math.min(POLL_MS, Math.max(1, until - performance.now())))])
      this.server.closeIdleConnections()
    }
    return done
  }
}

function unavailable(host: string, port: number, error: NodeJS.ErrnoException): WarplineError {
  const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message
  return new WarplineError('address-unavailable', `cannot listen on ${host}, port ${port}: ${why}; choose another`, {
    cause: error,
  })
}
