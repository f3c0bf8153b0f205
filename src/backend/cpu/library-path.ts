import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Names a library file in place of all others. */
export const LIBRARY_VARIABLE = 'WARPLINE_CPU_LIBRARY'

/** Platforms that have a package with the library ready made: `npm run package` builds them. */
export const PREBUILT = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'] as const

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The script that compiles the library; packages bring it, and the sources, too. */
export const BUILD_SCRIPT = join(ROOT, 'tools', 'build-cpu.mjs')

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

/** Where tools/build-cpu.mjs puts the library, seen from src and from dist. */
export function builtLibrary(target: Target = process): string {
  return join(ROOT, 'native', 'cpu', 'build', `${target.platform}-${target.arch}`, libraryFile(target))
}

/** The environment's choice, the platform package's, what was compiled here: the first that there is. */
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

/** Why there may be no library, and what to do. */
export function missingLibrary({ platform, arch }: Target = process): string {
  const target = `${platform}-${arch}`
  const compile = `install g++ or clang++ and run node ${BUILD_SCRIPT}`
  if (!(PREBUILT as readonly string[]).includes(target)) {
    return `no native library for ${target}, for which there is no package: ${compile}`
  }
  return (
    `no native library for ${target}: the package ${platformPackage({ platform, arch })} is not installed (npm leaves it out with ` +
    `--omit=optional, on Linux without glibc, and from a node_modules folder made on another platform) and none was compiled ` +
    `here; install again with npm install --include=optional, or ${compile}`
  )
}
