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

/** What a device can do at most: with a program's costs, the least time that a step can take. */
export interface DeviceLimits {
  /** Bytes a second read from its memory. */
  readonly readBytes: number
  /** Arithmetic operations a second, by what weights are stored as; what is not known is missing. */
  readonly operations: Partial<Readonly<Record<DataType, number>>>
}

/** Runs one program, a step at a time. Steps never overlap; a step either completes or rejects. */
export interface Executor {
  readonly memory: MemoryUse
  step(inputs: StepInputs): Promise<StepOutputs>
  /** A step with a clock beside it; absent where a backend cannot tell operations apart. */
  profile?(inputs: StepInputs): Promise<ProfiledStep>
  /** Measured anew by each call, between steps; absent where nothing is known of the device. */
  measureLimits?(): Promise<DeviceLimits>
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
