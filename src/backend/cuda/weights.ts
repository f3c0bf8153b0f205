import type { Buffer, Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { ExecutorOptions } from '../executor.js'
import type { Context } from './driver/context.js'
import type { Stream } from './driver/stream.js'
import type { DeviceWeight } from './launch/launch.js'
import { aligned, bufferBytes, kernelType } from './storage.js'
import { WeightUploader } from './weight-uploader.js'

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
 * Reads every weight once and brings it into its type on the device. Rejects with the signal's reason if aborted; no copy is under way
 * any more when it settles.
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
  const uploader = new WeightUploader(context, stream, options)
  try {
    await uploader.load(buffers.map((buffer) => ({ source: buffer.source!, target: placed.get(buffer.name)! })))
  } finally {
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
