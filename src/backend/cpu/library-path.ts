import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Names a library file in place of all others. */
export const LIBRARY_VARIABLE = 'WARPLINE_CPU_LIBRARY'

const FILES: Partial<Record<NodeJS.Platform, string>> = {
  darwin: 'libwarpline-cpu.dylib',
  win32: 'warpline-cpu.dll',
}

export interface Target {
  readonly platform: NodeJS.Platform
  readonly arch: string
}

/** The optional dependency that brings the library ready made: one package a platform, so that npm installs one only. */
export function platformPackage({ platform, arch }: Target = process): string {
  return `@warpline/cpu-${platform}-${arch}`
}

export function libraryFile({ platform }: Target = process): string {
  return FILES[platform] ?? 'libwarpline-cpu.so'
}

/** Where tools/build-cpu.mjs puts the library in a checkout, seen from src and from dist. */
export function builtLibrary(target: Target = process): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  return join(root, 'native', 'cpu', 'build', `${target.platform}-${target.arch}`, libraryFile(target))
}

/** The environment's choice, the platform package's, this checkout's: the first that there is. */
export function findLibrary(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment[LIBRARY_VARIABLE]
  if (named) return named
  return [packagedLibrary(), builtLibrary()].find((path) => path !== undefined && existsSync(path))
}

function packagedLibrary(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${platformPackage()}/package.json`)
    return join(dirname(manifest), libraryFile())
  } catch {
    return undefined
  }
}
