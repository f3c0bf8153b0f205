import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isWarplineError, WarplineError } from '../errors.js'
import { isMissing, readError } from '../weights/file-error.js'
import { quoted } from '../weights/strict-json.js'
import { CachedRepository } from './cache.js'
import { checkRevision, isRepositoryName } from './names.js'
import { type PullOptions, pull } from './pull.js'
import { expandHome, hubSettings } from './settings.js'

/**
 * The directory of a model: a local directory if there is one of that name, else the cache, else the hub. Throws
 * `model-not-found` and the errors of `pull`.
 */
export async function resolveModel(nameOrPath: string, options: PullOptions = {}): Promise<string> {
  if (typeof nameOrPath !== 'string' || nameOrPath === '') {
    throw new WarplineError('model-not-found', 'no model is named; give a folder, or owner/name of one on the hub')
  }
  const path = expandHome(nameOrPath)
  if (await isDirectory(path)) return resolve(path)
  if (looksLikePath(nameOrPath) || !isRepositoryName(nameOrPath)) {
    const problem = `${quoted(nameOrPath)} is neither a directory nor the name of a model on the hub`
    throw new WarplineError('model-not-found', `${problem}; check the path, or write owner/name`)
  }
  const { revision = 'main' } = options
  checkRevision(revision)
  const cached = await new CachedRepository((await hubSettings(options)).cacheDir, nameOrPath).findComplete(revision)
  if (cached?.tokenizerSettled) return cached.directory
  try {
    return await pull(nameOrPath, options)
  } catch (error) {
    const isOutOfReach = isWarplineError(error) && OUT_OF_REACH.has(error.code)
    if (cached && isOutOfReach) return cached.directory
    throw error
  }
}

/** The hub says nothing about the model, so what is in the cache stands. */
const OUT_OF_REACH = new Set(['hub-unreachable', 'hub-server-error', 'hub-rate-limited'])

function looksLikePath(name: string): boolean {
  return /^(?:[./~\\]|[A-Za-z]:)/.test(name)
}

async function isDirectory(path: string): Promise<boolean> {
  if (path === '' || path.includes('\0')) return false
  try {
    if ((await stat(path)).isDirectory()) return true
  } catch (error) {
    if (isMissing(error)) return false
    throw readError(path, error)
  }
  throw new WarplineError('model-not-found', `${path} is a file; give the directory that holds the model`)
}
