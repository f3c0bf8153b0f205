import type { DeviceLimits } from '../../backend/executor.js'
import type { DataType } from '../../program/buffer.js'
import type { InspectedShape } from '../shape.js'

/** The steps that are timed: `tokens` is the prompt's length, `batch` and `context` are the decode step's. */
export interface ProfileOptions extends InspectedShape {
  /** Timed steps of each kind, after one that is not; medians count. 5 unless given. */
  repeats?: number
}

/** Work, and the time it took beside the least it could take. */
export interface ProfiledWork {
  /** What must be moved and computed at least: see `warpline inspect --program`. */
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly flops: number
  readonly nanoseconds: number
  /** The time at the device's limits; absent where those are not known. */
  readonly rooflineNanoseconds?: number
  /** `rooflineNanoseconds / nanoseconds`: 1 is as fast as the device can; more, if data came from a cache. Absent where nothing must be done. */
  readonly ratio?: number
}

/** One operation of the program. */
export interface ProfiledOperation extends ProfiledWork {
  readonly index: number
  readonly kind: string
  /** The buffer it writes: `layers.3.qkv`. */
  readonly name: string
  /** What it is within its layer, or within the model: `qkv`. */
  readonly role: string
  readonly layer?: number
  /** Which limit the roofline time comes from. */
  readonly bound?: 'memory' | 'arithmetic'
}

/** The same operation of all layers. */
export interface ProfiledGroup extends ProfiledWork {
  readonly kind: string
  readonly role: string
  readonly count: number
  readonly bound?: 'memory' | 'arithmetic'
}

/** One step of a phase. */
export interface ProfiledStep {
  /** New tokens, of all sequences, and the context length of each after them. */
  readonly tokens: number
  readonly context: number
  /** From the inputs to the outputs, as the engine sees it: all operations and the host. */
  readonly nanoseconds: number
  /** Writing inputs, waking threads, reading outputs. */
  readonly hostNanoseconds: number
  /** Of each operation. */
  readonly operations: readonly number[]
}

export interface ProfiledPhase extends ProfiledWork {
  readonly phase: 'prompt' | 'decode'
  /** A prompt that is longer than a step's most tokens takes several. */
  readonly steps: readonly ProfiledStep[]
  /** The part of `nanoseconds` that no operation takes: writing inputs, waking threads, reading outputs. */
  readonly hostNanoseconds: number
  readonly tokensPerSecond: number
  /** By role, in the order of the program. */
  readonly groups: readonly ProfiledGroup[]
  readonly operations: readonly ProfiledOperation[]
}

/** Where a prompt's and a decode step's time goes. */
export interface ProfileReport {
  readonly model: string
  readonly device: string
  readonly dtype: DataType
  readonly shape: Required<InspectedShape>
  readonly repeats: number
  /** The better of what was measured before and after the steps; absent where the device tells nothing. */
  readonly limits?: DeviceLimits
  readonly phases: readonly ProfiledPhase[]
}
