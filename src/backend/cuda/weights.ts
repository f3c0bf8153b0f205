import type { Buffer, Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import { sourceShape } from '../../program/weight-source.js'
import type { ExecutorOptions } from '../executor.js'
import type { Context, PinnedRegion } from './driver/context.js'
import type { Event } from './driver/event.js'
import type { Stream } from './driver/stream.js'
import { convertLaunch } from './launch/convert.js'
import type { DeviceWeight } from './launch/launch.js'
import { aligned, bufferBytes, kernelType, TYPE_BYTES } from './storage.js'

/** Bytes of float32 that are staged at once, twice: while one half is copied the other is filled. */
const STAGING_BYTES = 16 * 2 ** 20

export interface Weights {
  readonly bytes: number
  get(ref: Ref): DeviceWeight
}

type WeightOptions = Pick<ExecutorOptions, 'weights' | 'onProgress' | 'signal'>

/** Bytes that a program's weights take on the device. */
export function deviceWeightBytes(program: Program): number {
  return weightBuffers(program).reduce((sum, buffer) => sum + aligned(bufferBytes(buffer)), 0)
}

/**
 * Reads every weight once, some rows at a time, and converts it to its type on the device. Rejects with the signal's reason if
 * aborted; no copy is under way any more when it settles.
 */
export async function loadWeights(
  context: Context,
  stream: Stream,
  program: Program,
  options: WeightOptions,
): Promise<Weights> {
  const buffers = weightBuffers(program)
  // All names and shapes first: an error in the last should not take a minute to come.
  for (const { source } of buffers) await options.weights.readRows(source!, 0, 0)
  const bytes = deviceWeightBytes(program)
  let { address } = context.allocate(bytes)
  const placed = new Map<Ref, DeviceWeight>()
  for (const buffer of buffers) {
    placed.set(buffer.name, placeOf(buffer, address))
    address += BigInt(aligned(bufferBytes(buffer)))
  }
  const uploader = new Uploader(context, stream)
  try {
    await uploader.load(buffers, placed, options)
  } finally {
    stream.synchronize()
    uploader.close()
  }
  return { bytes, get: (ref) => placed.get(ref)! }
}

function weightBuffers(program: Program): Buffer[] {
  return [...program.buffers.values()].filter(({ kind }) => kind === 'weight')
}

/** The last dimension is the columns, the one before it the rows, and one before that counts matrices. */
function placeOf(buffer: Buffer, address: bigint): DeviceWeight {
  const shape = buffer.shape as readonly number[]
  const [rows, columns] = shape.length === 1 ? [shape[0]!, 1] : (shape.slice(-2) as [number, number])
  const count = shape.slice(0, -2).reduce((product, size) => product * size, 1)
  return { address, type: kernelType(buffer), rows, columns, count }
}

interface Half {
  readonly host: PinnedRegion
  readonly device: bigint
  /** After the last use of this half. */
  readonly done: Event
  used: boolean
}

class Uploader {
  private readonly halves: readonly Half[]
  private readonly staging
  private next = 0

  constructor(
    private readonly context: Context,
    private readonly stream: Stream,
  ) {
    this.staging = context.allocate(2 * STAGING_BYTES)
    const half = (index: number): Half => ({
      host: context.pin(STAGING_BYTES),
      device: this.staging.address + BigInt(index * STAGING_BYTES),
      done: context.event(),
      used: false,
    })
    this.halves = [half(0), half(1)]
  }

  async load(
    buffers: readonly Buffer[],
    placed: ReadonlyMap<Ref, DeviceWeight>,
    options: WeightOptions,
  ): Promise<void> {
    const total = buffers.reduce((sum, { source }) => sum + product(sourceShape(source!)), 0)
    let done = 0
    for (const { name, source } of buffers) {
      const [rows, ...columns] = sourceShape(source!) as [number, ...number[]]
      const width = product(columns)
      const step = Math.max(1, Math.floor(STAGING_BYTES / 4 / width))
      const weight = placed.get(name)!
      for (let first = 0; first < rows; first += step) {
        options.signal?.throwIfAborted()
        const values = await options.weights.readRows(source!, first, Math.min(step, rows - first))
        this.store(values, weight, first * width)
        done += values.length
        options.onProgress?.(done, total)
      }
    }
  }

  /** A row may be longer than a half: it goes in pieces. */
  private store(values: Float32Array, { address, type }: DeviceWeight, offset: number): void {
    const most = STAGING_BYTES / 4
    for (let from = 0; from < values.length; from += most) {
      const piece = values.subarray(from, from + most)
      const half = this.halves[this.next]!
      this.next = 1 - this.next
      if (half.used) half.done.wait()
      new Float32Array(half.host.memory, 0, piece.length).set(piece)
      this.stream.toDevice(half.device, half.host.address, piece.byteLength)
      const target = address + BigInt((offset + from) * TYPE_BYTES[type])
      this.stream.launch(convertLaunch(half.device, target, type, piece.length), false)
      this.stream.mark(half.done)
      half.used = true
    }
  }

  close(): void {
    this.context.release(this.staging)
  }
}

function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1)
}
