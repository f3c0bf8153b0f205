import type { Communicator } from '../parallel/communicator.js'
import type { DataType } from '../program/buffer.js'
import type { Program } from '../program/program.js'
import type { StepInputs, StepOutputs } from '../program/step.js'
import type { WeightReader } from '../program/weight-source.js'

export interface ExecutorOptions {
  readonly program: Program
  readonly weights: WeightReader
  /** Blocks of the K/V cache, shared by all layers' caches. */
  readonly blocks: number
  readonly blockSize: number
  /** Most tokens and logit rows that one step will hold: activations are allocated once for these. */
  readonly maxTokens: number
  readonly maxRows: number
  /** This rank's tensor group and its line of pipeline stages; alone in both unless given. */
  readonly tensorGroup?: Communicator
  readonly stageGroup?: Communicator
  /** CPU threads; ignored where it means nothing. */
  readonly threads?: number
  /** Weight elements read so far, of how many. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/** Bytes that an executor holds. */
export interface MemoryUse {
  readonly weights: number
  readonly cache: number
  readonly activations: number
}

/** A step's outputs, and how long each of the program's operations took. */
export interface ProfiledStep {
  readonly outputs: StepOutputs
  /** By place in the program's list of operations; what two operations share counts with the first. */
  readonly nanoseconds: Float64Array
}

/**
 * Runs one program, a step at a time. Steps never overlap; a step either completes or rejects. Unless the executor runs
 * ahead, `step` is called again only when the last step's promise is settled, and until then its inputs stay as they are.
 */
export interface Executor {
  readonly memory: MemoryUse
  /**
   * 1: the executor runs ahead. `step` may be called while the step before is under way, and its `idsFrom` may refer to
   * that one. Steps are computed and their promises settled in the order of the calls: all that one reads and writes in the
   * cache happens before the next one's. A step that fails takes those that were handed over behind it with it; later ones
   * are computed again. All of the inputs, arrays of sampling rows included, is read before `step` returns, for the
   * caller then writes the next step's into the same arrays. Absent or 0: one step at a time.
   */
  readonly stepsAhead?: 0 | 1
  step(inputs: StepInputs): Promise<StepOutputs>
  /** A step with a clock beside it; absent where a backend cannot tell operations apart. */
  profile?(inputs: StepInputs): Promise<ProfiledStep>
  /** Frees everything; called once, after the last step. */
  close(): Promise<void>
}

/** Storage types a backend offers, best first where it chooses itself (`auto`). */
export interface StorageTypes {
  readonly weights: readonly DataType[]
  readonly cache: readonly DataType[]
  readonly activation: DataType
}

export interface Availability {
  readonly usable: boolean
  /** A line for `doctor`: what was found, or why not and what to do. */
  readonly detail: string
}

/** A way of running programs: one object a backend, named only in registry.ts. */
export interface Backend {
  readonly name: string
  readonly storage: StorageTypes
  readonly blockSize: number
  /** Tokens of a step unless the user says otherwise: between steps, requests come and go and signals are heard. */
  readonly batchTokens: number
  availability(): Promise<Availability>
  /** Bytes that weights, cache and activations may take together. */
  memoryBudget(): Promise<number>
  createExecutor(options: ExecutorOptions): Promise<Executor>
}
