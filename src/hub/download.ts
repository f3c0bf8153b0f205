import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { WarplineError } from '../errors.js'
import { isMissing, writeError } from '../weights/file-error.js'
import type { HubHttp } from './http.js'
import { Transient } from './http-errors.js'
import type { RemoteFile } from './listing.js'

/** Another program that still writes its partial file would be disturbed if we took it. */
const FOREIGN_IDLE_MS = 10 * 60_000
const HASH_CHUNK_BYTES = 2 ** 20

export interface Download {
  readonly http: HubHttp
  readonly url: string
  readonly file: RemoteFile
  /** Where the complete file goes. */
  readonly target: string
  /** Bytes of the file on the disk, each time that they change. */
  readonly onBytes: (bytes: number) => void
}

/**
 * Fetches one file into `target`, which appears complete and with the right hash or not at all. What an earlier run left
 * is continued. Throws `hub-hash-mismatch`, `hub-bad-answer`, `disk-full`, `file-unwritable` and the errors of HubHttp.
 */
export async function download(job: Download): Promise<void> {
  const partial = `${job.target}.warpline.incomplete`
  await adoptForeign(`${job.target}.incomplete`, partial)
  const resumed = await fetchAndCheck(job, partial)
  if (resumed === 'complete') return
  // Bytes that an interrupted run left may be bad (a crash, a full disk): only a fresh download blames the server.
  if (resumed === 'mismatch-after-resume' && (await fetchAndCheck(job, partial)) === 'complete') return
  const { path, hash } = job.file
  const problem = `${path} arrived with another ${hash.kind} than ${hash.hex}, and was removed`
  throw new WarplineError('hub-hash-mismatch', `${problem}; try again, and if it stays so, do not trust the source`)
}

type Outcome = 'complete' | 'mismatch' | 'mismatch-after-resume'

async function fetchAndCheck(job: Download, partial: string): Promise<Outcome> {
  try {
    const handle = await open(partial, constants.O_RDWR | constants.O_CREAT)
    let outcome: Outcome
    try {
      outcome = await fillAndCheck(job, handle)
      if (outcome === 'complete') await handle.sync()
    } finally {
      await handle.close()
    }
    if (outcome === 'complete') await rename(partial, job.target)
    else await rm(partial, { force: true })
    return outcome
  } catch (error) {
    await removeEmpty(partial)
    throw isSystemError(error) ? writeError(job.target, error) : error
  }
}

/** Nothing to continue is nothing to keep. */
async function removeEmpty(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.size === 0) await rm(path, { force: true })
}

async function fillAndCheck({ http, url, file, onBytes }: Download, handle: FileHandle): Promise<Outcome> {
  const sink = new HashedFile(handle, file)
  await sink.load()
  const resumed = sink.bytes > 0
  onBytes(sink.bytes)
  let reached = sink.bytes
  const progressed = () => {
    const before = reached
    reached = Math.max(reached, sink.bytes)
    return reached > before
  }
  while (sink.bytes < file.size) {
    await http.retrying(() => fetchRest(http, url, sink, onBytes), progressed)
  }
  if (sink.digest() === file.hash.hex) return 'complete'
  return resumed ? 'mismatch-after-resume' : 'mismatch'
}

async function fetchRest(
  http: HubHttp,
  url: string,
  sink: HashedFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const range: Record<string, string> = sink.bytes > 0 ? { range: `bytes=${sink.bytes}-` } : {}
  await http.exchange(url, range, async (response, alive) => {
    const asked = sink.bytes
    if (response.status !== 206 || !continues(response, asked)) await sink.restart()
    if (response.status === 416 || (response.status === 206 && sink.bytes !== asked)) throw rangeRefused(url)
    for await (const chunk of response.body ?? []) {
      alive()
      await sink.append(chunk)
      onBytes(sink.bytes)
    }
    if (!sink.isFull) throw new Transient(cutOff(url, sink.bytes))
  })
}

function continues(response: Response, from: number): boolean {
  return new RegExp(`^bytes ${from}-`).test(response.headers.get('content-range') ?? '')
}

function rangeRefused(url: string): Transient {
  return new Transient(
    new WarplineError('hub-bad-answer', `${new URL(url).pathname}: the server mistakes the range asked for`),
  )
}

function cutOff(url: string, bytes: number): WarplineError {
  const problem = `${new URL(url).pathname} broke off after ${bytes} bytes`
  return new WarplineError('hub-unreachable', `${problem}; run this again to go on from there`)
}

/** A file that grows at its end, and the hash of all of it. */
class HashedFile {
  readonly #handle: FileHandle
  readonly #file: RemoteFile
  #hash: Hash
  #bytes = 0

  constructor(handle: FileHandle, file: RemoteFile) {
    this.#handle = handle
    this.#file = file
    this.#hash = this.#newHash()
  }

  get bytes(): number {
    return this.#bytes
  }

  get isFull(): boolean {
    return this.#bytes === this.#file.size
  }

  /** Takes in what the file already holds. */
  async load(): Promise<void> {
    const { size } = await this.#handle.stat()
    const chunk = Buffer.allocUnsafe(HASH_CHUNK_BYTES)
    while (this.#bytes < size) {
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, this.#bytes)
      if (bytesRead === 0) return this.restart()
      this.#hash.update(chunk.subarray(0, bytesRead))
      this.#bytes += bytesRead
    }
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0)
    this.#hash = this.#newHash()
    this.#bytes = 0
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#bytes + chunk.byteLength > this.#file.size) {
      await this.restart()
      throw new WarplineError('hub-bad-answer', `${this.#file.path} is longer than the ${this.#file.size} bytes listed`)
    }
    for (let done = 0; done < chunk.byteLength; ) {
      const { bytesWritten } = await this.#handle.write(chunk, done, chunk.byteLength - done, this.#bytes + done)
      done += bytesWritten
    }
    this.#hash.update(chunk)
    this.#bytes += chunk.byteLength
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  #newHash(): Hash {
    const { hash, size } = this.#file
    return hash.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`)
  }
}

/** Goes on with what huggingface_hub left behind, unless it may still be at work. */
async function adoptForeign(foreign: string, partial: string): Promise<void> {
  try {
    const isOurs = await stat(partial).then(
      () => true,
      () => false,
    )
    if (!isOurs && Date.now() - (await stat(foreign)).mtimeMs > FOREIGN_IDLE_MS) await rename(foreign, partial)
  } catch (error) {
    if (!isMissing(error)) throw writeError(partial, error)
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
