import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { PROJECT } from '../support/cli.js'

export interface Published {
  readonly manifest: { readonly name: string; readonly version: string }
  /** Undefined: known to the registry, but nobody may download it. */
  readonly tarball?: string
}

export interface Registry {
  readonly url: string
  /** Names whose tarballs were fetched. */
  readonly downloads: Set<string>
  close(): void
}

/** An npm registry on this machine, of these packages and no others. */
export async function serveRegistry(packages: readonly Published[]): Promise<Registry> {
  const downloads = new Set<string>()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://registry').pathname).slice(1)
    const [name, version] = path.split('/-/')
    const found = packages.filter(({ manifest }) => manifest.name === name)
    const wanted = found.find(({ manifest }) => version === `${manifest.version}.tgz`)
    if (wanted?.tarball) {
      downloads.add(name!)
      createReadStream(wanted.tarball).pipe(response)
    } else if (version === undefined && found.length > 0) {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(packument(name!, found, url)))
    } else response.writeHead(404).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, downloads, close: () => server.close() }
}

function packument(name: string, found: readonly Published[], url: string) {
  const versions = found.map(({ manifest }) => {
    const { version } = manifest
    return [version, { ...manifest, dist: { tarball: `${url}/${name}/-/${version}.tgz` } }]
  })
  return { name, 'dist-tags': { latest: found.at(-1)!.manifest.version }, versions: Object.fromEntries(versions) }
}

/** What the project depends on at run time, as it is installed here. */
export async function packDependencies(folder: string): Promise<Published[]> {
  const lock = JSON.parse(readFileSync(join(PROJECT, 'package-lock.json'), 'utf8'))
  const entries = Object.entries(lock.packages as Record<string, { dev?: boolean }>)
  const places = entries.filter(([place, { dev }]) => place !== '' && !dev).map(([place]) => join(PROJECT, place))
  const there = places.filter((place) => existsSync(place))
  return Promise.all(
    there.map(async (place, i) => {
      const tarball = join(folder, `dependency-${i}.tar`)
      const name = basename(place)
      await promisify(execFile)('tar', ['-cf', tarball, `--exclude=${name}/node_modules`, '-C', dirname(place), name])
      return { manifest: JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')), tarball }
    }),
  )
}
