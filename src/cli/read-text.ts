import { createReadStream } from 'node:fs'
import { WarplineError } from '../index.js'
import { readError } from '../weights/file-error.js'

/** More than any tokenizer takes: 8 M characters of up to four bytes. */
const MOST_BYTES = 2 ** 25

/**
 * The text of a file, or of standard input for `-`. Strict UTF-8: a text with replacement characters would be a
 * different text. Throws `file-missing`, `file-unreadable`, `text-too-long` or `prompt-invalid`.
 */
export async function readText(path: string): Promise<string> {
  const source = path === '-' ? 'standard input' : path
  const bytes = await readBytes(path, source)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new WarplineError('prompt-invalid', `${source} is not valid UTF-8; convert it first`, { cause: error })
  }
}

/** Stops at the limit: a device or a pipe may never end. */
async function readBytes(path: string, source: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of path === '-' ? process.stdin : createReadStream(path)) {
      chunks.push(chunk)
      length += chunk.length
      if (length > MOST_BYTES) break
    }
  } catch (error) {
    throw readError(source, error)
  }
  if (length > MOST_BYTES) {
    throw new WarplineError('text-too-long', `${source} holds over ${MOST_BYTES} bytes; cut it into smaller texts`)
  }
  return Buffer.concat(chunks)
}
