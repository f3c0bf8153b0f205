import type { Ref } from '../../../program/buffer.js'
import type { Program } from '../../../program/program.js'
import type { Fields, Struct, Values } from '../../structs.js'
import type { KernelType } from '../codes.js'

/** A device address. */
export type Address = bigint

export type Grid = readonly [x: number, y: number, z: number]

/** One kernel, ready to be launched: plain data, so that plans can be tested without a device. */
export interface Launch {
  /** native/cuda/<module>.cu, and an extern "C" function of it. */
  readonly module: string
  readonly kernel: string
  readonly grid: Grid
  readonly threads: number
  /** Dynamic shared memory, bytes. */
  readonly shared?: number
  /** Blocks of a thread block cluster along x (compute capability 9.0 and newer). */
  readonly cluster?: number
  /** The kernel's one parameter, a struct passed by value. */
  readonly parameters: Uint8Array
}

/**
 * The sizes that a step, or a captured graph of steps, is launched for. In a graph `tokens`, `rows` and `sequences` are the bucket's
 * and the longest context is the cache's: what a step does not fill is padding. Padding tokens have slot -1 (nothing is
 * written to the cache), padding sequences have context length 0 (attention writes zeros), padding rows are skipped by `sample`.
 */
export interface StepSizes {
  readonly tokens: number
  readonly rows: number
  readonly sequences: number
  readonly copies: number
  /** Most new tokens of one sequence; 1 where every sequence adds one token: token i is sequence i's. */
  readonly longestQuery: number
  readonly longestContext: number
}

/** A weight in device memory: `count` matrices [rows, columns] one after another, row-major. Vectors are one column. */
export interface DeviceWeight {
  readonly address: Address
  readonly type: KernelType
  readonly rows: number
  readonly columns: number
  readonly count: number
}

export interface DeviceLimits {
  /** 10 * major + minor of the compute capability: 80, 86, 89, 90, ... */
  readonly architecture: number
  readonly multiprocessors: number
  /** Most dynamic shared memory of a block, bytes. */
  readonly sharedPerBlock: number
  readonly l2Bytes: number
}

/** Where everything of a program is. */
export interface Places {
  readonly program: Program
  readonly device: DeviceLimits
  /** Tokens in a block of the K/V cache, a power of two from 16. */
  readonly blockSize: number
  /** Entries from one sequence's row of the block table to the next one's. */
  readonly tableStride: number
  /** Only kernels whose results do not depend on what else is in the batch. */
  readonly deterministic: boolean
  /** Activations, step inputs (i32), f32 vectors. */
  of(ref: Ref): Address
  /** Type of a buffer's elements. */
  typeOf(ref: Ref): KernelType
  /** The last dimension of a matrix: elements from one row to the next. */
  widthOf(ref: Ref): number
  /** Rows that a step of these sizes fills. */
  rowsOf(ref: Ref, sizes: StepSizes): number
  weight(ref: Ref): DeviceWeight
  /** Memory that is the operation's own while its launches run; its contents are undefined at first, 256-byte aligned. */
  scratch(bytes: number): Address
}

/** Serialises a kernel's parameters. */
export function parametersOf<F extends Fields>(layout: Struct<F>, values: Values<F>): Uint8Array {
  const bytes = new Uint8Array(layout.bytes)
  layout.write(new DataView(bytes.buffer), 0, values)
  return bytes
}

export function ceilDiv(count: number, unit: number): number {
  return Math.ceil(count / unit)
}
