import type { Backend } from '../../../src/backend/executor.js'
import type { DataType } from '../../../src/program/buffer.js'
import type { OperationKind } from '../../../src/program/operation.js'
import type { Program } from '../../../src/program/program.js'
import type { SampledRow, StepInputs } from '../../../src/program/step.js'
import type { WeightReader } from '../../../src/program/weight-source.js'

/** How a backend is asked to store the numbers of a case. */
export interface CaseStorage {
  readonly weightType: DataType
  readonly cacheType: DataType
  readonly activationType: DataType
  readonly blockSize: number
}

/**
 * One operation with given shapes. `build` makes the same random numbers every time; its weights are exact in bf16 and
 * f16, so that a storage type of weights needs no wider bound.
 */
export interface OperationCase {
  readonly operation: OperationKind
  readonly name: string
  /** Largest error (see `errorOf`) with float32 storage. */
  readonly bound: number
  build(storage: CaseStorage): BuiltCase
}

export interface BuiltCase {
  readonly program: Program
  readonly weights: WeightReader
  readonly blocks: number
  readonly maxTokens: number
  readonly maxRows: number
  /** Run first, with other numbers in every buffer: what a later step reads without writing it first is wrong then. */
  readonly stale: StepInputs
  readonly steps: readonly StepInputs[]
  /** What each step must give, in float64 where a formula says so. */
  readonly expected: readonly ExpectedStep[]
}

export interface ExpectedStep {
  /** [tokens, width] */
  readonly hidden?: ArrayLike<number>
  /** [rows, width] */
  readonly logits?: ArrayLike<number>
  readonly sampled?: readonly SampledRow[]
}

/** float32 everywhere, as far as the backend offers it. */
export function exactStorage(backend: Backend): CaseStorage {
  const best = (types: readonly DataType[]) => (types.includes('f32') ? 'f32' : types[0]!)
  const weightType = best(backend.storage.weights)
  const { cache, activation } = backend.storage.beside(weightType)
  return { weightType, cacheType: best(cache), activationType: activation, blockSize: backend.blockSize }
}

/** Every combination of 32 and 16 bit storage that a backend offers. */
export function storageChoices({ storage, blockSize }: Backend): CaseStorage[] {
  const wide = (types: readonly DataType[]) => types.filter((type) => type in ROUNDING)
  return wide(storage.weights).flatMap((weightType) => {
    const { cache, activation: activationType } = storage.beside(weightType)
    return wide(cache).map((cacheType) => ({ weightType, cacheType, activationType, blockSize }))
  })
}

/** What rounding once to a type costs, with room for a few such roundings after each other. */
const ROUNDING: Partial<Record<DataType, number>> = { f32: 0, f16: 2e-3, bf16: 1.5e-2 }

/** The bound of a case for a storage: rounded activations count always, a rounded cache where the program has one. */
export function boundFor(operationCase: OperationCase, built: BuiltCase, storage: CaseStorage): number {
  const hasCache = [...built.program.buffers.values()].some(({ kind }) => kind === 'cache')
  const types = [storage.activationType, ...(hasCache ? [storage.cacheType] : [])]
  return Math.max(operationCase.bound, ...types.map((type) => ROUNDING[type] ?? 0))
}

/**
 * Norm of the difference over norm of the expected values, or, if larger, the worst element's difference over ten times
 * their root mean square, so that one wrong element among thousands shows. Infinite for NaN and for differing lengths.
 */
export function errorOf(actual: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (actual?.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let magnitude = 0
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!)
    if (!Number.isFinite(distance)) return Number.POSITIVE_INFINITY
    difference += distance ** 2
    magnitude += expected[i]! ** 2
    worst = Math.max(worst, distance)
  }
  if (difference === 0) return 0
  const typical = Math.sqrt(magnitude / expected.length)
  return Math.max(Math.sqrt(difference / magnitude), worst / (10 * typical))
}
