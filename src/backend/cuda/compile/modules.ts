import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { WarplineError } from '../../../errors.js'
import { writeAtomically } from '../../../weights/atomic-write.js'
import { cacheFolder } from '../cache-folder.js'
import type { LoadModule } from '../driver/kernels.js'
import { loadNvrtc, type Nvrtc } from './nvrtc.js'
import { headersHash, moduleSource, sourceFolder } from './sources.js'

/** Compiled for the exact chip where it has instructions of its own, which run nowhere else. */
export function targetOf(architecture: number): string {
  return architecture === 90 ? 'sm_90a' : `sm_${architecture}`
}

/** Compiled kernels of a package that brings them, or of a build of this checkout; undefined where there are none for the chip. */
export function compiledFolder(target: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = [env.WARPLINE_CUDA_KERNELS, packageFolder(), join(sourceFolder(), 'build')]
  return folders
    .filter((folder): folder is string => Boolean(folder))
    .map((folder) => join(folder, target))
    .find((folder) => existsSync(folder))
}

export function kernelPackage(): string {
  return `@warpline/cuda-${process.platform}-${process.arch}`
}

function packageFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${kernelPackage()}/package.json`))
  } catch {
    return undefined
  }
}

/** Reads compiled modules, or compiles them when they are first asked for. Throws `kernels-missing` where neither can be. */
export async function moduleLoader(architecture: number, env: NodeJS.ProcessEnv = process.env): Promise<LoadModule> {
  const target = targetOf(architecture)
  const folder = env.WARPLINE_NVRTC === '1' ? undefined : compiledFolder(target, env)
  if (folder) return (module) => readFileSync(join(folder, `${module}.cubin`))
  const nvrtc = await loadNvrtc()
  if (!nvrtc) {
    throw new WarplineError(
      'kernels-missing',
      `there are no kernels for ${target}: install ${kernelPackage()}, build them with nvcc (npm run build:cuda), or install NVRTC`,
    )
  }
  return (module) => compileCached(nvrtc, module, target, join(cacheFolder(env), 'kernels'))
}

/** Kept under a hash of everything that the result depends on: a stale file is never read. */
function compileCached(nvrtc: Nvrtc, module: string, target: string, cache: string): Uint8Array {
  const source = moduleSource(module)
  const options = [`--gpu-architecture=${target}`, '-std=c++17', `--include-path=${sourceFolder()}`]
  const hash = createHash('sha256')
  for (const part of [nvrtc.version.join('.'), target, '-std=c++17', headersHash(), source])
    hash.update(part).update('\0')
  const file = join(cache, target, `${module.replaceAll('/', '-')}-${hash.digest('hex').slice(0, 32)}.cubin`)
  if (existsSync(file)) return readFileSync(file)
  const cubin = nvrtc.compile(module, source, options)
  keep(file, cubin)
  return cubin
}

/** A cache that cannot be written costs time at the next start, nothing else. */
function keep(file: string, cubin: Uint8Array): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeAtomically(file, async (handle) => void (await handle.writeFile(cubin))).catch(() => {})
  } catch {}
}
