/** Where the real models and texts are that tests use but the project does not contain. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = process.env.WARPLINE_REAL ?? fileURLToPath(new URL('../../../shared/real', import.meta.url))

export function realPath(...parts: string[]): string {
  return [root, ...parts].join('/')
}

/** For a test's `skip` option: false, or what is missing. */
export function skipWithoutReal(...parts: string[]): string | false {
  const path = realPath(...parts)
  return existsSync(path) ? false : `${path} is missing; set WARPLINE_REAL to the folder of real models`
}
