import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { ExecutorOptions } from '../executor.js'
import type { Values } from '../structs.js'
import { MATRIX } from './abi.js'
import type { Address, CpuLibrary } from './library.js'
import { lines, type NativeMemory, type Region } from './native-memory.js'
import type { ThreadPool } from './thread-pools.js'
import { fillWeights } from './weight-loader.js'
import { type MatrixPlan, planWeights, type VectorPlan } from './weight-plan.js'

export type MatrixValues = Values<typeof MATRIX.fields>

/** Weights in native memory: packed matrices, and vectors as they are. */
export interface Weights {
  readonly bytes: number
  vector(ref: Ref): Address
  /** The first where there are several, and bytes from one to the next. */
  matrix(ref: Ref): { readonly first: MatrixValues; readonly stride: number }
}

export interface PlacedMatrix extends MatrixPlan {
  readonly address: Address
  readonly stride: number
  /** Its wl_matrix records, one for each of `count`. */
  readonly records: Address
}

export interface PlacedVector extends VectorPlan {
  readonly address: Address
  readonly values: Float32Array
}

/**
 * Places every weight in native memory, then reads and packs them (weight-loader.ts). Rejects with the signal's reason if
 * aborted; nothing runs any more when it settles.
 */
export async function loadWeights(
  library: CpuLibrary,
  memory: NativeMemory,
  program: Program,
  pool: ThreadPool,
  options: Pick<ExecutorOptions, 'weights' | 'onProgress' | 'signal'>,
): Promise<Weights> {
  const plans = planWeights(program)
  // All names and shapes first: an error in the last should not take a minute to come.
  for (const { buffer } of plans) await options.weights.readRows(buffer.source!, 0, 0)
  const matrices = placeMatrices(
    library,
    memory,
    plans.filter((plan) => plan.kind === 'matrix'),
  )
  const vectors = placeVectors(
    memory,
    plans.filter((plan) => plan.kind === 'vector'),
  )
  await fillWeights(library, memory, pool, [...matrices.placed, ...vectors.placed], options)
  const addresses = new Map(vectors.placed.map(({ buffer, address }) => [buffer.name, address]))
  const byName = new Map(matrices.placed.map((matrix) => [matrix.buffer.name, matrix]))
  return {
    bytes: matrices.bytes + vectors.bytes,
    vector: (ref) => addresses.get(ref)!,
    matrix(ref) {
      const matrix = byName.get(ref)!
      return { first: recordOf(matrix, matrix.address), stride: matrix.stride }
    },
  }
}

/** One region for all: it lies in large pages, of which only the last is not full. */
function placeMatrices(library: CpuLibrary, memory: NativeMemory, plans: readonly MatrixPlan[]) {
  const records = memory.allocate(MATRIX.bytes * plans.reduce((sum, { count }) => sum + count, 1))
  const view = new DataView(records.buffer())
  const strides = plans.map((plan) => {
    MATRIX.write(view, 0, recordOf(plan, 0n))
    return lines(library.packedBytes(records.address))
  })
  const region = memory.allocate(plans.reduce((sum, { count }, i) => sum + count * strides[i]!, 0))
  let offset = 0
  let at = 0
  const placed = plans.map((plan, i): PlacedMatrix => {
    const matrix = {
      ...plan,
      address: region.address + BigInt(offset),
      stride: strides[i]!,
      records: records.address + BigInt(at),
    }
    for (let index = 0; index < plan.count; index++, at += MATRIX.bytes, offset += matrix.stride) {
      MATRIX.write(view, at, recordOf(plan, region.address + BigInt(offset)))
    }
    return matrix
  })
  return { placed, bytes: region.bytes }
}

function placeVectors(memory: NativeMemory, plans: readonly VectorPlan[]) {
  const region: Region = memory.allocate(plans.reduce((sum, { elements }) => sum + lines(elements * 4), 0))
  let offset = 0
  const placed = plans.map((plan): PlacedVector => {
    const values = new Float32Array(region.buffer(), offset, plan.elements)
    const address = region.address + BigInt(offset)
    offset += lines(plan.elements * 4)
    return { ...plan, address, values }
  })
  return { placed, bytes: region.bytes }
}

function recordOf({ outputs, inputs, storage, gated }: MatrixPlan, data: Address): MatrixValues {
  return { data, outputs, inputs, storage, gated: gated ? 1 : 0 }
}
