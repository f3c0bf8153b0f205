/**
 * Writes what is published, as tarballs: the main package, and the packages of compiled files for the platforms asked for.
 *
 *   npm run package -- [--out FOLDER] [--target PLATFORM-ARCH]...
 *
 * FOLDER is .cache/package unless given; the target is this machine unless given, and is compiled first, by CXX where
 * that is set. Prints one JSON object: the tarballs. docs/packaging.md says how to build for other platforms.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { compareVersions, newestGlibc } from './libc-version.js'
import { type Manifest, mainManifest, optionalManifest } from './manifests.js'
import { OPTIONAL_PACKAGES, type OptionalPackage, targetOf } from './optional-packages.js'
import { pack, publishedFiles, type Tarball } from './tarball.js'

const root = resolve(import.meta.dirname, '..', '..')
const { values } = parseArgs({
  options: { out: { type: 'string' }, target: { type: 'string', multiple: true, default: [targetOf(process)] } },
})
const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = resolve(values.out ?? join(root, '.cache', 'package'))

const wanted = values.target.flatMap(packagesFor)
mkdirSync(folder, { recursive: true })
const tarballs = [...wanted.map(packOptional), packMain()]
for (const { path, bytes, unpackedBytes } of tarballs) {
  process.stderr.write(`${path}: ${megabytes(bytes)}, ${megabytes(unpackedBytes)} unpacked\n`)
}
process.stdout.write(`${JSON.stringify({ version: manifest.version, tarballs })}\n`)

function packagesFor(target: string): OptionalPackage[] {
  const found = OPTIONAL_PACKAGES.filter((one) => targetOf(one) === target)
  if (found.length > 0) return found
  const known = [...new Set(OPTIONAL_PACKAGES.map(targetOf))]
  return fail(`target-unknown: no package is for ${target}; choose from ${known.join(', ')}`)
}

function packMain(): Tarball {
  const files = publishedFiles(root).map((path) => [path, join(root, path)])
  return pack(mainManifest(manifest, OPTIONAL_PACKAGES), Object.fromEntries(files), folder)
}

function packOptional(one: OptionalPackage): Tarball {
  const [script, ...words] = one.build
  const { status } = spawnSync(process.execPath, [join(root, script!), ...words], { stdio: ['ignore', 2, 2] })
  if (status !== 0) fail(`not-built: ${one.name} was not built; see the message above`)
  const files = Object.entries(one.files).map(([place, path]) => [place, join(root, path)] as const)
  for (const [, path] of files) checkLibc(one, path)
  const all = { ...Object.fromEntries(files), LICENSE: join(root, 'LICENSE') }
  const tarball = pack(optionalManifest(one, manifest), all, folder)
  if (tarball.bytes <= one.mostBytes) return tarball
  return fail(`too-large: ${one.name} takes ${megabytes(tarball.bytes)}; ${megabytes(one.mostBytes)} are allowed`)
}

/** What is built on a new system must load on the oldest that Node runs on. */
function checkLibc({ name, libc }: OptionalPackage, path: string): void {
  const needed = libc && newestGlibc(readFileSync(path))
  if (!needed || compareVersions(needed, libc.newest) <= 0) return
  fail(
    `libc-too-new: ${name} would need glibc ${needed.join('.')}, and must do with ${libc.newest.join('.')}; add what is new ` +
      'to native/cpu/core/glibc.cc, or build on an older system',
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
