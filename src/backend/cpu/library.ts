import { isWarplineError, WarplineError } from '../../errors.js'
import { ABI_VERSION, COMMAND_BYTES, SIZES } from './abi.js'
import { findLibrary, LIBRARY_VARIABLE, missingLibrary } from './library-path.js'

/** The address of native memory; 0n is null. */
export type Address = bigint

/** native/cpu/abi.h as functions. Those that take long return promises and run off the main thread. */
export interface CpuLibrary {
  readonly path: string
  /** Name of the dispatch level in use: the best one, or WARPLINE_CPU's. */
  level(): string
  isSupported(level: string): boolean
  /** Undefined goes back to the best level. Not while anything is packed or runs. */
  setLevel(name: string | undefined): void
  errorText(error: number): string
  defaultThreads(): number
  /** Throws `out-of-memory`. */
  allocate(bytes: number): Address
  free(address: Address, bytes: number): void
  /** The memory itself, not a copy: invalid once it is freed. */
  view(address: Address, bytes: number): ArrayBuffer
  /** Of an array that must not be collected while native code uses it. */
  addressOf(array: ArrayBufferView): Address
  /** Throws `threads-unavailable`. */
  createPool(threads: number): Address
  destroyPool(pool: Address): void
  poolThreads(pool: Address): number
  /** `matrix` is the address of a wl_matrix. */
  packedBytes(matrix: Address): number
  /** `rows` is the address of a wl_rows; on all threads of the pool, or on one where it is null. */
  pack(pool: Address, matrix: Address, first: number, count: number, rows: Address): Promise<void>
  unpack(matrix: Address, first: number, count: number, rows: Address): void
  /** Returns the wl_error; `failed` receives the index of the command at fault. */
  run(run: Run): Promise<number>
}

export interface Run {
  readonly pool: Address
  readonly commands: Address
  readonly count: number
  readonly step: Address
  readonly nanoseconds: Address
  readonly failed: Address
}

let loading: Promise<CpuLibrary> | undefined

/** The library, loaded once a process. Errors: `cpu-library-missing`, `cpu-library-invalid`, `cpu-level-unsupported`. */
export function loadLibrary(): Promise<CpuLibrary> {
  loading ??= open().catch((error) => {
    loading = undefined
    throw error
  })
  return loading
}

async function open(): Promise<CpuLibrary> {
  const path = findLibrary()
  if (!path) throw new WarplineError('cpu-library-missing', missingLibrary())
  try {
    const { default: koffi } = await import('koffi')
    return bind(koffi, koffi.load(path), path)
  } catch (cause) {
    if (isWarplineError(cause)) throw cause
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new WarplineError(
      'cpu-library-invalid',
      `${path} cannot be loaded (${problem}); remove it and build or install it again, or unset ${LIBRARY_VARIABLE}`,
      { cause },
    )
  }
}

type Koffi = typeof import('koffi').default
type Loaded = ReturnType<Koffi['load']>

function bind(koffi: Koffi, library: Loaded, path: string): CpuLibrary {
  const call = (name: string, result: string, ...parameters: string[]) => library.func(name, result, parameters)
  const pointer = 'void *'
  const abiVersion = call('wl_abi_version', 'int32_t')
  if (abiVersion() !== ABI_VERSION) {
    throw new WarplineError(
      'cpu-library-invalid',
      `${path} is of interface version ${abiVersion()} and this version of warpline needs ${ABI_VERSION}; build or install it again`,
    )
  }
  const layouts = [call('wl_command_bytes', 'int32_t')(), call('wl_step_bytes', 'int32_t')()]
  if (layouts[0] !== COMMAND_BYTES || layouts[1] !== SIZES * 4) {
    throw new WarplineError(
      'cpu-library-invalid',
      `${path} lays commands out in another way; build or install it again`,
    )
  }
  const levelName = call('wl_level_name', 'str', 'int32_t')
  const level = call('wl_level', 'int32_t')
  const levelSupported = call('wl_level_supported', 'int32_t', 'int32_t')
  const setLevel = call('wl_set_level', 'int32_t', 'str')
  const errorText = call('wl_error_text', 'str', 'int32_t')
  const allocate = call('wl_allocate', pointer, 'size_t')
  const createPool = call('wl_pool_create', pointer, 'int32_t')
  const packedBytes = call('wl_packed_bytes', 'size_t', pointer)
  const pack = call('wl_pack', 'int32_t', pointer, pointer, 'int64_t', 'int64_t', pointer)
  const unpack = call('wl_unpack', 'int32_t', pointer, 'int64_t', 'int64_t', pointer)
  const run = call('wl_run', 'int32_t', pointer, pointer, 'int32_t', pointer, pointer, pointer)

  const failOn = (error: number, what: string) => {
    if (error !== 0) throw new WarplineError('executor-failed', `${what}: ${errorText(error)}`)
  }
  const later = (what: typeof run, ...values: unknown[]) =>
    new Promise<number>((resolve, reject) => {
      what.async(...values, (error: unknown, result: number) => (error ? reject(error) : resolve(result)))
    })
  const chosen = level()
  if (chosen < 0) {
    throw new WarplineError(
      'cpu-level-unsupported',
      `WARPLINE_CPU is ${process.env.WARPLINE_CPU}: ${errorText(-chosen)}; unset it to use the best level`,
    )
  }
  return {
    path,
    level: () => levelName(level()),
    isSupported: (name) => {
      for (let id = 0; levelName(id); id++) if (levelName(id) === name) return levelSupported(id) === 1
      return false
    },
    setLevel: (name) => failOn(setLevel(name ?? null), `level ${name}`),
    errorText,
    defaultThreads: call('wl_default_threads', 'int32_t'),
    allocate(bytes) {
      const address = allocate(bytes)
      if (!address) {
        throw new WarplineError(
          'out-of-memory',
          `no memory for ${bytes} bytes; choose a smaller cache, a smaller batch, a smaller dtype or a smaller model`,
        )
      }
      return address
    },
    free: call('wl_free', 'void', pointer, 'size_t'),
    view: (address, bytes) => koffi.view(address, bytes),
    addressOf: (array) => koffi.address(array),
    createPool(threads) {
      const pool = createPool(threads)
      if (!pool) {
        throw new WarplineError('threads-unavailable', `the system refused to start ${threads} threads; ask for fewer`)
      }
      return pool
    },
    destroyPool: call('wl_pool_destroy', 'void', pointer),
    poolThreads: call('wl_pool_threads', 'int32_t', pointer),
    packedBytes: (matrix) => Number(packedBytes(matrix)),
    pack: async (pool, matrix, first, count, rows) =>
      failOn(await later(pack, pool, matrix, first, count, rows), 'packing weights'),
    unpack: (matrix, first, count, rows) => failOn(unpack(matrix, first, count, rows), 'unpacking weights'),
    run: ({ pool, commands, count, step, nanoseconds, failed }) =>
      later(run, pool, commands, count, step, nanoseconds, failed),
  }
}
