import { type SpawnSyncOptions, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RIVALS } from './paths.js'

/** node-llama-cpp's packages of ready-made libraries without a GPU. */
const LLAMA_BINARIES: Readonly<Record<string, string>> = {
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'linux-arm64': 'linux-arm64',
  'linux-x64': 'linux-x64',
  'win32-arm64': 'win-arm64',
  'win32-x64': 'win-x64',
}

export interface Rivals {
  readonly versions: Readonly<Record<string, string>>
  /** URL of a rival's library; its bare name, which nobody can import, where it is not installed. */
  library(name: string): string
}

/**
 * Installs the peers at the versions of rivals/package.json into that folder, unless they are there. No install scripts: they
 * would fetch CUDA libraries. Of node-llama-cpp's optional packages, half a gigabyte of GPU builds, only this platform's.
 */
export function installRivals(say: (line: string) => void): Rivals {
  const versions = JSON.parse(readFileSync(join(RIVALS, 'package.json'), 'utf8')).dependencies as Record<string, string>
  const binaries = LLAMA_BINARIES[`${process.platform}-${process.arch}`]
  const wanted = { ...versions, ...(binaries && { [`@node-llama-cpp/${binaries}`]: versions['node-llama-cpp']! }) }
  if (!Object.entries(wanted).every(([name, version]) => installedVersion(name) === version)) {
    say(`installing ${Object.keys(wanted).join(', ')} (once)`)
    const extra = Object.keys(wanted).filter((name) => !(name in versions))
    const specs = extra.map((name) => `${name}@${wanted[name]}`)
    const flags = ['--no-save', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const options: SpawnSyncOptions = { cwd: RIVALS, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' }
    const { status } = spawnSync('npm', ['install', ...flags, ...specs], options)
    if (status !== 0) say('not all peers could be installed; those that are missing are left out')
  }
  const { resolve } = createRequire(join(RIVALS, 'package.json'))
  return { versions, library: (name) => (installedVersion(name) ? pathToFileURL(resolve(name)).href : name) }
}

function installedVersion(name: string): string | undefined {
  const manifest = join(RIVALS, 'node_modules', name, 'package.json')
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : undefined
}
