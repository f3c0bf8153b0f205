import { join } from 'node:path'
import { WarplineError } from '../errors.js'
import { parseShardIndex } from '../weights/checkpoint-files.js'
import { readUtf8 } from '../weights/json-file.js'
import { CachedRepository } from './cache.js'
import { download } from './download.js'
import { HubHttp, type Patience } from './http.js'
import { findCommit, listRepository, type RemoteFile } from './listing.js'
import { withLock } from './lock.js'
import { checkRepositoryName, checkRevision } from './names.js'
import { type Selection, selectFiles } from './select-files.js'
import { type HubOptions, type HubSettings, hubSettings } from './settings.js'

/** Bytes, counting what earlier runs and other tools had already fetched. */
export interface PullProgress {
  /** The file whose bytes arrived. */
  readonly file: string
  readonly fileDone: number
  readonly fileTotal: number
  /** Of all files together. */
  readonly done: number
  readonly total: number
}

export interface PullOptions extends HubOptions {
  /** A branch, a tag or a commit; default `main`. */
  readonly revision?: string
  readonly onProgress?: (progress: PullProgress) => void
  readonly signal?: AbortSignal
  /** How often and how long to wait for a troubled server. */
  readonly patience?: Partial<Patience>
}

const PARALLEL_FILES = 4

/**
 * Fetches a model from the Hugging Face hub into the cache that all its tools share, and returns the directory of the
 * snapshot. Only the files that running the model takes are fetched; whole ones are kept, partial ones continued, and
 * every one is checked against the hash that the hub states. Offline, the cache alone must hold the model.
 *
 * Throws `hub-name-invalid`, `hub-revision-invalid`, `hub-endpoint-invalid`, `hub-token-invalid`, `hub-offline`,
 * `hub-not-found`, `hub-unauthorized`, `hub-rate-limited`, `hub-server-error`, `hub-unreachable`, `hub-bad-answer`,
 * `hub-unsafe-path`, `hub-hash-mismatch`, `config-missing`, `checkpoint-pickled`, `checkpoint-incomplete`,
 * `checkpoint-ambiguous`, `checkpoint-corrupt`, `disk-full`, `file-unwritable`, `file-unreadable`, `cancelled`.
 */
export async function pull(name: string, options: PullOptions = {}): Promise<string> {
  const { revision = 'main' } = options
  checkRepositoryName(name)
  checkRevision(revision)
  const settings = await hubSettings(options)
  const cache = new CachedRepository(settings.cacheDir, name)
  if (settings.offline) return cachedOnly(cache, name, revision, settings)
  const stop = new AbortController()
  const relay = () => stop.abort(options.signal?.reason)
  if (options.signal?.aborted) relay()
  options.signal?.addEventListener('abort', relay)
  try {
    const http = new HubHttp(settings, stop.signal, options.patience)
    const commit = await findCommit(http, settings.endpoint, name, revision)
    const selection = selectFiles(await listRepository(http, settings.endpoint, name, commit), name)
    const repository: Repository = { name, commit, settings, cache, http, stop }
    await fetchSelection(repository, selection, options.onProgress)
    if (revision !== commit) await cache.writeRef(revision, commit)
    return cache.snapshot(commit)
  } finally {
    options.signal?.removeEventListener('abort', relay)
  }
}

interface Repository {
  readonly name: string
  readonly commit: string
  readonly settings: HubSettings
  readonly cache: CachedRepository
  readonly http: HubHttp
  /** Ends every transfer of this pull. */
  readonly stop: AbortController
}

async function cachedOnly(
  cache: CachedRepository,
  name: string,
  revision: string,
  { cacheDir }: HubSettings,
): Promise<string> {
  const found = await cache.findComplete(revision)
  if (found) return found.directory
  const problem = `${name} (${revision}) is not complete in ${cacheDir} and offline mode is on`
  throw new WarplineError('hub-offline', `${problem}; fetch it once online, or unset HF_HUB_OFFLINE`)
}

async function fetchSelection(
  repository: Repository,
  { small, weights, find }: Selection,
  onProgress: PullOptions['onProgress'],
): Promise<void> {
  const { cache, commit } = repository
  const files = [...small]
  if (weights.kind === 'single') files.push(find(weights.file))
  else {
    const index = find(weights.index)
    await fetchFile(repository, index, () => {})
    const path = join(cache.snapshot(commit), index.path)
    const shards = new Set(parseShardIndex(await readUtf8(path, 'checkpoint-corrupt'), path).values())
    files.push(index, ...[...shards].sort().map(find))
  }
  const report = progressReport(files, onProgress)
  await inParallel(repository.stop, files, (file) => fetchFile(repository, file, (bytes) => report(file, bytes)))
  if (!small.some(({ path }) => path === 'tokenizer.json')) await cache.noteMissing(commit, 'tokenizer.json')
}

function progressReport(files: readonly RemoteFile[], onProgress: PullOptions['onProgress']) {
  const total = files.reduce((sum, { size }) => sum + size, 0)
  const bytesOf = new Map<RemoteFile, number>()
  let done = 0
  return (file: RemoteFile, bytes: number): void => {
    done += bytes - (bytesOf.get(file) ?? 0)
    bytesOf.set(file, bytes)
    onProgress?.({ file: file.path, fileDone: bytes, fileTotal: file.size, done, total })
  }
}

async function fetchFile(repository: Repository, file: RemoteFile, onBytes: (bytes: number) => void): Promise<void> {
  const { name, commit, settings, cache, http, stop } = repository
  const { hex } = file.hash
  if (!(await cache.hasBlob(hex, file.size))) {
    await withLock(cache.lock(hex), stop.signal, async () => {
      if (await cache.hasBlob(hex, file.size)) return
      const path = file.path.split('/').map(encodeURIComponent).join('/')
      const url = `${settings.endpoint}/${name}/resolve/${commit}/${path}`
      await cache.makeBlobDirectory()
      await download({ http, url, file, target: cache.blob(hex), onBytes })
    })
  }
  await cache.link(hex, commit, file.path)
  onBytes(file.size)
}

/** Works on a few items at a time; the first failure stops all and is the one reported, once the others have ended. */
async function inParallel<T>(
  stop: AbortController,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  const failures: unknown[] = []
  const worker = async () => {
    try {
      for (const item of queue) await work(item)
    } catch (error) {
      failures.push(error)
      stop.abort()
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_FILES }, worker))
  if (failures.length > 0) throw failures[0]
}
