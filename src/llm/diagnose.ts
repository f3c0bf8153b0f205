import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, freemem, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { backends, selectBackend } from '../backend/registry.js'
import { cacheDirectory } from '../hub/index.js'
import { BUNDLED_MODEL } from './bundled.js'

export interface Diagnosis {
  readonly warpline: string
  readonly node: string
  readonly platform: string
  readonly cpu: { readonly model: string; readonly cores: number }
  readonly memory: { readonly total: number; readonly free: number }
  readonly devices: readonly {
    readonly name: string
    readonly usable: boolean
    /** Taken by `device: 'auto'`. */
    readonly chosen: boolean
    readonly detail: string
  }[]
  readonly hub: { readonly cache: string }
  readonly bundledModel: boolean
}

/** What this machine can run, and why not. */
export async function diagnose(): Promise<Diagnosis> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const chosen = (await selectBackend('auto')).name
  const devices = backends().map(async (backend) => {
    const { usable, detail } = await backend.availability()
    return { name: backend.name, usable, chosen: backend.name === chosen, detail }
  })
  return {
    warpline: version,
    node: process.versions.node,
    platform: `${platform()} ${release()} ${arch()}`,
    cpu: { model: cpus()[0]?.model ?? 'unknown', cores: cpus().length },
    memory: { total: totalmem(), free: freemem() },
    devices: await Promise.all(devices),
    hub: { cache: cacheDirectory() },
    bundledModel: existsSync(join(BUNDLED_MODEL, 'config.json')),
  }
}
