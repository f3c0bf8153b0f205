import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Manifest } from './manifests.js'

export interface Tarball {
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly unpackedBytes: number
}

/** Packs files (place in the package -> path) under a manifest into `folder`. */
export function pack(manifest: Manifest, files: Readonly<Record<string, string>>, folder: string): Tarball {
  const stage = mkdtempSync(join(tmpdir(), 'warpline-package-'))
  try {
    for (const [place, path] of Object.entries(files)) {
      mkdirSync(dirname(join(stage, place)), { recursive: true })
      copyFileSync(path, join(stage, place))
    }
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    const { name, filename, unpackedSize } = npmPack(stage, ['--pack-destination', folder])
    const path = join(folder, filename)
    return { name, path, bytes: statSync(path).size, unpackedBytes: unpackedSize }
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

/** What a folder's manifest publishes. */
export function publishedFiles(folder: string): string[] {
  return npmPack(folder, ['--dry-run']).files.map(({ path }) => path)
}

interface Packed {
  readonly name: string
  readonly filename: string
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

function npmPack(folder: string, options: readonly string[]): Packed {
  const words = ['pack', '--json', '--ignore-scripts', '--loglevel=error', ...options]
  const shell = process.platform === 'win32'
  const [packed] = JSON.parse(execFileSync('npm', words, { cwd: folder, encoding: 'utf8', shell }))
  return packed
}
