import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export const COMMIT = '0123456789abcdef0123456789abcdef01234567'
export const MODEL = 'owner/tiny'

export interface FakeFile {
  readonly content: Buffer
  /** Large files are listed with their SHA-256 and served from the file store, if there is one. */
  readonly large: boolean
}

export interface SeenRequest {
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** Answers a request in place of the server when it returns true. */
export type Intercept = (path: string, response: ServerResponse, request: IncomingMessage) => boolean

export function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** A server on this machine alone that notes what it is asked, until the test ends. */
export class FakeServer {
  readonly seen: SeenRequest[] = []
  origin = ''
  intercept: Intercept = () => false

  async listen(t: TestContext, answer: (path: string, response: ServerResponse, request: IncomingMessage) => unknown) {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url!, this.origin).pathname)
      this.seen.push({ path, range: request.headers.range, authorization: request.headers.authorization })
      if (!this.intercept(path, response, request)) answer(path, response, request)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
  }

  /** Paths asked for that contain `part`. */
  asked(part: string): string[] {
    return this.seen.map(({ path }) => path).filter((path) => path.includes(part))
  }
}

/** One repository with its API, as huggingface.co serves it; large files come from `store` when that is listening. */
export class FakeHub extends FakeServer {
  readonly store = new FakeServer()
  readonly files = new Map<string, FakeFile>()
  /** Changes what the API lists, to lie about it. */
  relist: (entries: Record<string, unknown>[]) => unknown = (entries) => entries

  static async start(t: TestContext, files: Record<string, string | Buffer | object>, { withStore = false } = {}) {
    const hub = new FakeHub()
    for (const [path, value] of Object.entries(files)) {
      const raw = typeof value === 'string' || Buffer.isBuffer(value)
      const content = Buffer.from(raw ? value : JSON.stringify(value))
      hub.files.set(path, { content, large: path.endsWith('.safetensors') })
    }
    await hub.listen(t, (path, response, request) => hub.#answer(path, response, request))
    if (withStore)
      await hub.store.listen(t, (path, response, request) => hub.#sendFile(path.slice(1), response, request))
    return hub
  }

  #answer(path: string, response: ServerResponse, request: IncomingMessage): unknown {
    if (path.startsWith(`/api/models/${MODEL}/revision/`))
      return sendJson(response, { _id: 'x', id: MODEL, sha: COMMIT })
    if (path === `/api/models/${MODEL}/tree/${COMMIT}`) return sendJson(response, this.relist(this.#entries()))
    const resolve = `/${MODEL}/resolve/${COMMIT}/`
    if (!path.startsWith(resolve)) return sendStatus(response, 404, { 'x-error-code': 'RepoNotFound' })
    const name = path.slice(resolve.length)
    if (!this.files.get(name)?.large || this.store.origin === '') return this.#sendFile(name, response, request)
    sendStatus(response, 302, { location: `${this.store.origin}/${encodeURIComponent(name)}?signature=secret` })
  }

  #entries(): Record<string, unknown>[] {
    return [...this.files].map(([path, { content, large }]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: gitHash(content),
      ...(large && { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }),
    }))
  }

  #sendFile(name: string, response: ServerResponse, request: IncomingMessage): void {
    const file = this.files.get(name)
    if (file) sendContent(response, request, file.content)
    else sendStatus(response, 404, { 'x-error-code': 'EntryNotFound' })
  }
}

export function sendStatus(response: ServerResponse, status: number, headers: Record<string, string> = {}): true {
  response.writeHead(status, headers).end()
  return true
}

export function sendJson(response: ServerResponse, value: unknown): true {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  return true
}

/** The whole content, or what the request's range names of it. */
export function sendContent(response: ServerResponse, request: IncomingMessage, content: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from === 0) response.writeHead(200, { 'content-length': content.length }).end(content)
  else if (from >= content.length) sendStatus(response, 416)
  else {
    const range = `bytes ${from}-${content.length - 1}/${content.length}`
    response
      .writeHead(206, { 'content-length': content.length - from, 'content-range': range })
      .end(content.subarray(from))
  }
}

/**
 * Promises the rest of the content after `from`, sends it up to `to`, and breaks the connection once `received` says that
 * so many bytes have been taken in.
 */
export async function sendAndCut(
  response: ServerResponse,
  content: Buffer,
  { from, to, received }: { from: number; to: number; received: () => Promise<number> },
): Promise<void> {
  const range = `bytes ${from}-${content.length - 1}/${content.length}`
  const headers = { 'content-length': content.length - from, ...(from > 0 && { 'content-range': range }) }
  response.writeHead(from > 0 ? 206 : 200, headers)
  response.write(content.subarray(from, to))
  while ((await received()) < to) await new Promise((resolve) => setTimeout(resolve, 5))
  response.destroy()
}
