import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A shared library of NVIDIA's, and the names it goes by, newest first. */
export type CudaLibrary = 'cuda' | 'nvrtc' | 'cublasLt'

const NAMES: Readonly<Record<CudaLibrary, Readonly<Record<string, readonly string[]>>>> = {
  cuda: { linux: ['libcuda.so.1', 'libcuda.so'], win32: ['nvcuda.dll'] },
  nvrtc: {
    linux: ['libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so'],
    win32: ['nvrtc64_130_0.dll', 'nvrtc64_120_0.dll'],
  },
  cublasLt: {
    linux: ['libcublasLt.so.13', 'libcublasLt.so.12', 'libcublasLt.so'],
    win32: ['cublasLt64_13.dll', 'cublasLt64_12.dll'],
  },
}

/** Where the driver, toolkits and distributions put libraries on Linux. The loader's own search comes last. */
const SYSTEM_FOLDERS = [
  '/usr/local/cuda/lib64',
  '/usr/local/cuda/targets/x86_64-linux/lib',
  '/usr/local/cuda/targets/sbsa-linux/lib',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib/wsl/lib',
  '/usr/local/nvidia/lib64',
  '/opt/cuda/lib64',
]

/** Where a pip wheel unpacks it, below a site-packages folder: CUDA 13 in one folder, CUDA 12 in one a library. */
const WHEEL_FOLDERS: Readonly<Record<CudaLibrary, readonly string[]>> = {
  cuda: [],
  nvrtc: ['nvidia/cu13/lib', 'nvidia/cuda_nvrtc/lib'],
  cublasLt: ['nvidia/cu13/lib', 'nvidia/cublas/lib'],
}

/**
 * Paths and bare names to try, best first: `WARPLINE_CUDA_PATH` (folders), `CUDA_HOME` and `CUDA_PATH`, versioned toolkits, system folders,
 * wheels of the Python environment in use, then whatever the dynamic loader finds.
 */
export function candidates(library: CudaLibrary, env: NodeJS.ProcessEnv = process.env): string[] {
  const names = NAMES[library][process.platform] ?? []
  const found = searchFolders(library, env).flatMap((folder) => names.map((name) => join(folder, name)))
  return [...new Set([...found.filter((path) => existsSync(path)), ...names])]
}

function searchFolders(library: CudaLibrary, env: NodeJS.ProcessEnv): string[] {
  const named = (env.WARPLINE_CUDA_PATH ?? '').split(delimiter).filter(Boolean)
  const homes = [env.CUDA_HOME, env.CUDA_PATH].filter((home): home is string => Boolean(home))
  const toolkits = homes.flatMap((home) => [join(home, 'lib64'), join(home, 'bin'), join(home, 'lib')])
  const versioned = foldersIn('/usr/local', /^cuda-\d/).map((folder) => join(folder, 'lib64'))
  const wheels = sitePackages(env).flatMap((site) => WHEEL_FOLDERS[library].map((folder) => join(site, folder)))
  return [...named, ...toolkits, ...SYSTEM_FOLDERS, ...versioned.reverse(), ...wheels]
}

function sitePackages(env: NodeJS.ProcessEnv): string[] {
  const roots = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter((root): root is string => Boolean(root))
  const inRoots = roots
    .flatMap((root) => foldersIn(join(root, 'lib'), /^python3/))
    .map((lib) => join(lib, 'site-packages'))
  const system = foldersIn('/usr/local/lib', /^python3/).map((lib) => join(lib, 'dist-packages'))
  return [...inRoots, ...system]
}

function foldersIn(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** What loading a library came to, for `doctor`. */
export interface LibrarySearch<T> {
  readonly loaded?: T
  readonly path?: string
  /** Why each candidate failed. */
  readonly problems: readonly string[]
}

/** The first candidate that `load` accepts. */
export function loadFirst<T>(paths: readonly string[], load: (path: string) => T): LibrarySearch<T> {
  const problems: string[] = []
  for (const path of paths) {
    try {
      return { loaded: load(path), path, problems }
    } catch (error) {
      problems.push(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { problems }
}
