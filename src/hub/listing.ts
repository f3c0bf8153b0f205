import { isWarplineError, WarplineError } from '../errors.js'
import { isInnerPath } from '../weights/checkpoint-files.js'
import { quoted } from '../weights/strict-json.js'
import type { HubHttp } from './http.js'
import { isCommit } from './names.js'

/** A file of a repository at one commit. */
export interface RemoteFile {
  /** Relative to the repository, with slashes. */
  readonly path: string
  readonly size: number
  readonly hash: FileHash
}

/** Large files are known by the SHA-256 of their bytes, small ones by their git object id. */
export interface FileHash {
  readonly kind: 'sha256' | 'git-sha1'
  readonly hex: string
}

const MAX_FILES = 100_000
const MAX_PAGES = 200

/** The commit that a branch or a tag stands for. */
export async function findCommit(http: HubHttp, endpoint: string, name: string, revision: string): Promise<string> {
  if (isCommit(revision)) return revision
  const { sha } = await asking(async () => {
    const { modelInfo } = await import('@huggingface/hub')
    return modelInfo({ name, revision, hubUrl: endpoint, additionalFields: ['sha'], fetch: http.apiFetch(1) })
  })
  if (typeof sha === 'string' && isCommit(sha)) return sha
  throw new WarplineError('hub-bad-answer', `the hub names no commit for ${name} at ${revision}`)
}

/** Every file of a repository at a commit, as the hub tells: paths and hashes are checked by `checkFile` before use. */
export async function listRepository(
  http: HubHttp,
  endpoint: string,
  name: string,
  commit: string,
): Promise<unknown[]> {
  return asking(async () => {
    const { listFiles } = await import('@huggingface/hub')
    const repo = { type: 'model', name } as const
    const entries: unknown[] = []
    for await (const entry of listFiles({
      repo,
      revision: commit,
      recursive: true,
      hubUrl: endpoint,
      fetch: http.apiFetch(MAX_PAGES),
    })) {
      if (entries.push(entry) > MAX_FILES)
        throw new WarplineError('hub-bad-answer', `${name} lists more than ${MAX_FILES} files`)
    }
    return entries
  })
}

/** The path of a listed file; undefined for directories and for what is no entry at all. */
export function pathOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  const { type, path } = entry as Record<string, unknown>
  return type === 'file' && typeof path === 'string' ? path : undefined
}

/** Checks an entry before anything of it names a file on this disk. Throws `hub-unsafe-path` or `hub-bad-answer`. */
export function checkFile(entry: unknown): RemoteFile {
  const { path, size, oid, lfs } = entry as { path: string } & Record<string, unknown>
  if (!isInnerPath(path)) {
    throw new WarplineError(
      'hub-unsafe-path',
      `the repository names a file ${quoted(path)}, which leads out of its directory`,
    )
  }
  const large = typeof lfs === 'object' && lfs !== null ? (lfs as Record<string, unknown>) : undefined
  const hash: FileHash = large ? { kind: 'sha256', hex: String(large.oid) } : { kind: 'git-sha1', hex: String(oid) }
  const bytes = large?.size ?? size
  const isHash = hash.kind === 'sha256' ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/
  if (!isHash.test(hash.hex) || !Number.isSafeInteger(bytes) || (bytes as number) < 0) {
    throw new WarplineError('hub-bad-answer', `the hub gives no usable size and hash for ${quoted(path)}`)
  }
  return { path, size: bytes as number, hash }
}

/** Whatever else goes wrong inside the client library comes from an answer that is not what the API promises. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (isWarplineError(error)) throw error
    throw new WarplineError('hub-bad-answer', `the hub's answer makes no sense: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
