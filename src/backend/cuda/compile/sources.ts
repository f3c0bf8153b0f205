import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the kernels' sources, which the package brings along. */
export function sourceFolder(): string {
  return fileURLToPath(new URL('../../../../native/cuda', import.meta.url))
}

export function moduleSource(module: string): string {
  return readFileSync(join(sourceFolder(), `${module}.cu`), 'utf8')
}

/** One hash of all headers: whichever changes, everything is compiled anew. */
export function headersHash(folder = sourceFolder()): string {
  const hash = createHash('sha256')
  for (const file of headers(folder)) hash.update(relative(folder, file)).update(readFileSync(file))
  return hash.digest('hex')
}

function headers(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.cuh'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
}
