import { WarplineError } from '../../../errors.js'
import { candidates, loadFirst } from '../driver/libraries.js'

/** The part of cuBLASLt that is used (cuBLAS documentation, "Using the cuBLASLt API"). Handles are 64-bit integers. */
const SIGNATURES = {
  cublasLtCreate: ['out'],
  cublasLtDestroy: ['u64'],
  cublasLtMatmulDescCreate: ['out', 'i32', 'i32'],
  cublasLtMatmulDescDestroy: ['u64'],
  cublasLtMatmulDescSetAttribute: ['u64', 'i32', 'in', 'u64'],
  cublasLtMatrixLayoutCreate: ['out', 'i32', 'u64', 'u64', 'i64'],
  cublasLtMatrixLayoutDestroy: ['u64'],
  cublasLtMatmulPreferenceCreate: ['out'],
  cublasLtMatmulPreferenceDestroy: ['u64'],
  cublasLtMatmulPreferenceSetAttribute: ['u64', 'i32', 'in', 'u64'],
  cublasLtMatmulAlgoGetHeuristic: ['u64', 'u64', 'u64', 'u64', 'u64', 'u64', 'u64', 'i32', 'out', 'out'],
  cublasLtMatmul: [
    ...['u64', 'u64', 'in', 'u64', 'u64', 'u64', 'u64', 'in'],
    ...['u64', 'u64', 'u64', 'u64', 'in', 'u64', 'u64', 'u64'],
  ],
} as const

const C_TYPES: Readonly<Record<string, string>> = {
  i32: 'int32_t',
  i64: 'int64_t',
  u64: 'uint64_t',
  out: 'void *',
  in: 'const void *',
}

export type BlasFunction = keyof typeof SIGNATURES
export type BlasArgument = number | bigint | ArrayBufferView

export interface CublasLt {
  readonly path: string
  /** 130101 for 13.1.1. */
  readonly version: number
  /** A cublasStatus_t; 0 is success. */
  call(name: BlasFunction, ...values: BlasArgument[]): number
}

let loading: Promise<CublasLt | undefined> | undefined

/** Undefined where there is none: our own products take over. */
export function loadCublasLt(): Promise<CublasLt | undefined> {
  loading ??= open()
  return loading
}

async function open(): Promise<CublasLt | undefined> {
  const { default: koffi } = await import('koffi')
  const { loaded, path } = loadFirst(candidates('cublasLt'), (file) => bind(koffi.load(file)))
  return loaded && { ...loaded, path: path! }
}

function bind(library: ReturnType<typeof import('koffi').default['load']>): Omit<CublasLt, 'path'> {
  const bound = new Map(
    Object.entries(SIGNATURES).map(([name, types]) => {
      const parameters = types.map((type) => C_TYPES[type]!)
      return [name as BlasFunction, library.func(name, 'int32_t', parameters)]
    }),
  )
  const version = Number(library.func('cublasLtGetVersion', 'size_t', [])())
  return { version, call: (name, ...values) => bound.get(name)!(...values) }
}

/** Throws `cuda-failed` unless the status is success. */
export function requireSuccess(status: number, name: BlasFunction): void {
  if (status !== 0) throw new WarplineError('cuda-failed', `${name} returned cuBLAS status ${status}`)
}
