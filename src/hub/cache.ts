import { randomUUID } from 'node:crypto'
import { copyFile, lstat, mkdir, readFile, realpath, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { isWarplineError } from '../errors.js'
import { writeAtomically } from '../weights/atomic-write.js'
import { findWeights } from '../weights/checkpoint-files.js'
import { isMissing, readError, writeError } from '../weights/file-error.js'
import { isFile } from '../weights/json-file.js'
import { isCommit } from './names.js'

/**
 * One repository in the cache that all Hugging Face tools share:
 * `models--owner--name/` with `blobs/<hash>`, `snapshots/<commit>/<path>` (links to blobs) and `refs/<revision>` (a commit).
 * `.no_exist/<commit>/<path>` notes that a file is known not to exist.
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
export class CachedRepository {
  readonly directory: string
  readonly #locks: string

  constructor(cacheDir: string, name: string) {
    const folder = `models--${name.replaceAll('/', '--')}`
    this.directory = join(cacheDir, folder)
    this.#locks = join(cacheDir, '.locks', folder)
  }

  blob(hash: string): string {
    return join(this.directory, 'blobs', hash)
  }

  /** A file of its own beside the locks of huggingface_hub, which are of another kind. */
  lock(hash: string): string {
    return join(this.#locks, `${hash}.warpline-lock`)
  }

  snapshot(commit: string): string {
    return join(this.directory, 'snapshots', commit)
  }

  async makeBlobDirectory(): Promise<void> {
    const directory = join(this.directory, 'blobs')
    await mkdir(directory, { recursive: true }).catch((error) => {
      throw writeError(directory, error)
    })
  }

  /** Whether the whole blob is there; one of another size is what a crash left. */
  async hasBlob(hash: string, size: number): Promise<boolean> {
    try {
      const found = await stat(this.blob(hash))
      return found.isFile() && found.size === size
    } catch (error) {
      if (isMissing(error)) return false
      throw readError(this.blob(hash), error)
    }
  }

  /** Makes a blob appear under its path in a snapshot. */
  async link(hash: string, commit: string, path: string): Promise<void> {
    await linkOrCopy(this.blob(hash), join(this.snapshot(commit), path))
  }

  async noteMissing(commit: string, path: string): Promise<void> {
    const note = join(this.directory, '.no_exist', commit, path)
    await making(note, () => writeFile(note, ''))
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    const ref = join(this.directory, 'refs', revision)
    await making(ref, () => writeAtomically(ref, (handle) => handle.writeFile(commit)))
  }

  /** The commit that a revision stood for when it was last fetched. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    const ref = join(this.directory, 'refs', revision)
    try {
      const commit = (await readFile(ref, 'utf8')).trim()
      return isCommit(commit) ? commit : undefined
    } catch (error) {
      if (isMissing(error)) return undefined
      throw readError(ref, error)
    }
  }

  /** The snapshot of a revision, if configuration and all weights are there. */
  async findComplete(revision: string): Promise<CachedSnapshot | undefined> {
    const commit = await this.commitOf(revision)
    if (commit === undefined) return undefined
    const directory = this.snapshot(commit)
    try {
      if (!(await isFile(join(directory, 'config.json')))) return undefined
      await findWeights(directory)
    } catch (error) {
      if (isWarplineError(error)) return undefined
      throw error
    }
    const note = join(this.directory, '.no_exist', commit, 'tokenizer.json')
    const tokenizerSettled = (await isFile(join(directory, 'tokenizer.json'))) || (await isFile(note))
    return { directory, tokenizerSettled }
  }
}

export interface CachedSnapshot {
  readonly directory: string
  /** The tokenizer is there too, or is known not to exist: another tool may have fetched the weights alone. */
  readonly tokenizerSettled: boolean
}

/**
 * A relative link, so that the cache can be moved; a copy where the system gives no links. Either takes its name in one
 * step, in place of whatever had it. `createLink` stands in for systems without links.
 */
export async function linkOrCopy(source: string, target: string, createLink = symlink): Promise<void> {
  if (await isSameFile(source, target)) return
  const temporary = `${target}.${randomUUID()}.tmp`
  await making(target, async () => {
    try {
      await createLink(relative(await realpath(dirname(target)), await realpath(source)), temporary).catch(() =>
        copyFile(source, temporary),
      )
      await rename(temporary, target)
    } finally {
      await rm(temporary, { force: true })
    }
  })
}

/** The link is there already, or a copy of the same size. */
async function isSameFile(source: string, target: string): Promise<boolean> {
  try {
    const [blob, linked, entry] = await Promise.all([stat(source), stat(target), lstat(target)])
    if (entry.isSymbolicLink()) return blob.ino === linked.ino && blob.dev === linked.dev
    return entry.isFile() && entry.size === blob.size
  } catch (error) {
    if (isMissing(error)) return false
    throw readError(target, error)
  }
}

async function making(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await write()
  } catch (error) {
    throw writeError(path, error)
  }
}
