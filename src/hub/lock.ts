import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isMissing, writeError } from '../weights/file-error.js'
import { cancelled } from './http.js'

const POLL_MS = 100
const HEARTBEAT_MS = 5000
const ABANDONED_MS = 60_000

/** Locks that this process holds now: a process before us may have had the same number. */
const held = new Set<string>()

interface Owner {
  readonly id: string
  readonly pid: number
  readonly host: string
}

/**
 * Runs `work` while no other process holds the lock file `path`. The holder touches the file as long as it lives; a lock
 * whose holder is gone is taken over. It only saves work: what it guards stays correct, byte for byte, if two run at once.
 */
export async function withLock<T>(path: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const owner: Owner = { id: randomUUID(), pid: process.pid, host: hostname() }
  await mkdir(dirname(path), { recursive: true }).catch((error) => {
    throw writeError(path, error)
  })
  held.add(owner.id)
  try {
    while (!(await acquire(path, owner))) {
      await breakAbandoned(path)
      await delay(POLL_MS, undefined, { signal }).catch(() => {
        throw cancelled(signal)
      })
    }
    return await whileBeating(path, work)
  } finally {
    held.delete(owner.id)
    if ((await holder(path))?.id === owner.id) await rm(path, { force: true })
  }
}

/** Shows other processes that the holder lives. */
async function whileBeating<T>(path: string, work: () => Promise<T>): Promise<T> {
  const beat = () => utimes(path, new Date(), new Date()).catch(() => {})
  const heartbeat = setInterval(beat, HEARTBEAT_MS).unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
  }
}

async function acquire(path: string, owner: Owner): Promise<boolean> {
  try {
    const handle = await open(path, 'wx')
    try {
      await handle.writeFile(JSON.stringify(owner))
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw writeError(path, error)
  }
}

/** Moves the lock aside before removing it, so that a lock taken in between can be put back. */
async function breakAbandoned(path: string): Promise<void> {
  const found = await holder(path)
  if (!(await isAbandoned(path, found))) return
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
    if ((await holder(aside))?.id !== found?.id) await link(aside, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!isMissing(error) && code !== 'EEXIST') throw writeError(path, error)
  } finally {
    await rm(aside, { force: true })
  }
}

async function isAbandoned(path: string, owner: Owner | undefined): Promise<boolean> {
  if (owner?.host === hostname() && !isRunning(owner)) return true
  try {
    return Date.now() - (await stat(path)).mtimeMs > ABANDONED_MS
  } catch {
    return false
  }
}

function isRunning({ id, pid }: Owner): boolean {
  if (pid === process.pid) return held.has(id)
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Undefined while the holder has not yet written its name, or when nobody holds the lock. */
async function holder(path: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8'))
    return Number.isSafeInteger(owner?.pid) ? owner : undefined
  } catch {
    return undefined
  }
}
