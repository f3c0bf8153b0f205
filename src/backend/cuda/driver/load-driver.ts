import { WarplineError } from '../../../errors.js'
import { candidates, loadFirst } from './libraries.js'
import { C_TYPES, type DriverFunction, type RawDriver, SIGNATURES } from './raw.js'

type Koffi = typeof import('koffi').default

let loading: Promise<RawDriver & { readonly path: string }> | undefined

/** The system's CUDA driver, loaded once a process. Errors: `cuda-unavailable`. */
export function loadDriver(): Promise<RawDriver & { readonly path: string }> {
  loading ??= open().catch((error) => {
    loading = undefined
    throw error
  })
  return loading
}

async function open() {
  const { default: koffi } = await import('koffi')
  const { loaded, path, problems } = loadFirst(candidates('cuda'), (path) => bindDriver(koffi, path))
  if (!loaded) {
    const tried = problems.length > 0 ? ` (${problems.at(-1)})` : ''
    throw new WarplineError(
      'cuda-unavailable',
      `the CUDA driver was not found${tried}; install NVIDIA's driver, or name its folder in WARPLINE_CUDA_PATH`,
    )
  }
  return { ...loaded, path: path! }
}

/** Binds every function at once, so that an old driver is refused here and not in the middle of a step. */
export function bindDriver(koffi: Koffi, path: string): RawDriver {
  const library = koffi.load(path)
  const bound = new Map<DriverFunction, (...values: unknown[]) => number>()
  for (const [name, parameters] of Object.entries(SIGNATURES)) {
    const types = parameters.map((parameter) => C_TYPES[parameter])
    bound.set(name as DriverFunction, library.func(name, 'int32_t', types))
  }
  const errorName = library.func('cuGetErrorName', 'int32_t', ['int32_t', koffi.out(koffi.pointer('str'))])
  return {
    call: (name, ...values) => bound.get(name)!(...values),
    errorName(result) {
      const text: [string | null] = [null]
      errorName(result, text)
      return text[0] ?? `CUresult ${result}`
    },
    view: (address, bytes) => koffi.view(address, bytes),
    addressOf: (array) => koffi.address(array),
  }
}
