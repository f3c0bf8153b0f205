import { readFile, stat } from 'node:fs/promises'
import type { ErrorCode } from '../error-codes.js'
import { WarplineError } from '../errors.js'
import { isMissing, readError } from './file-error.js'

const MAX_JSON_BYTES = 256 * 2 ** 20

/**
 * Reads a UTF-8 JSON file that must hold an object. Throws `file-missing` or `file-unreadable`, and `invalidCode` when
 * the content is no JSON object.
 */
export async function readJsonObject(path: string, invalidCode: ErrorCode): Promise<Record<string, unknown>> {
  const value = parseJson(await readUtf8(path, invalidCode), path, invalidCode)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WarplineError(invalidCode, `${path} must hold a JSON object, not ${describe(value)}`)
  }
  return value as Record<string, unknown>
}

/** The same, with undefined for a file that does not exist. */
export async function readOptionalJsonObject(
  path: string,
  invalidCode: ErrorCode,
): Promise<Record<string, unknown> | undefined> {
  try {
    return await readJsonObject(path, invalidCode)
  } catch (error) {
    if (error instanceof WarplineError && error.code === 'file-missing') return undefined
    throw error
  }
}

/** Text of a UTF-8 file; `invalidCode` when it is not UTF-8 or too large to be what it should be. */
export async function readUtf8(path: string, invalidCode: ErrorCode): Promise<string> {
  const bytes = await readBounded(path, invalidCode)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new WarplineError(invalidCode, `${path} is not valid UTF-8; save it as UTF-8`, { cause })
  }
}

/** Whether `path` names a file (a broken link does not). */
export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (isMissing(error)) return false
    throw readError(path, error)
  }
}

async function readBounded(path: string, invalidCode: ErrorCode): Promise<Uint8Array> {
  try {
    const { size } = await regularFile(path)
    if (size > MAX_JSON_BYTES) {
      throw new WarplineError(invalidCode, `${path} has ${size} bytes, more than the ${MAX_JSON_BYTES} allowed here`)
    }
    return await readFile(path)
  } catch (error) {
    throw readError(path, error)
  }
}

/** Opening a pipe or a device could wait forever, so only regular files are read. */
export async function regularFile(path: string): Promise<{ size: number }> {
  const found = await stat(path).catch((error) => {
    throw readError(path, error)
  })
  if (found.isFile()) return found
  const what = found.isDirectory() ? 'a directory' : 'no regular file'
  throw new WarplineError('file-unreadable', `cannot read ${path}: it is ${what}`)
}

function parseJson(text: string, path: string, invalidCode: ErrorCode): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new WarplineError(invalidCode, `${path} is not valid JSON: ${(cause as Error).message}`, { cause })
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
