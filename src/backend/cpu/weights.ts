import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import { sourceShape, type WeightReader } from '../../program/weight-source.js'
import type { ExecutorOptions } from '../executor.js'
import type { Values } from '../structs.js'
import { MATRIX } from './abi.js'
import type { Address, CpuLibrary } from './library.js'
import { lines, type NativeMemory, type Region } from './native-memory.js'
import { type MatrixPlan, planWeights, type VectorPlan } from './weight-plan.js'

export type MatrixValues = Values<typeof MATRIX.fields>

/** Weights in native memory: packed matrices, and vectors as they are. */
export interface Weights {
  readonly bytes: number
  vector(ref: Ref): Address
  /** The first where there are several, and bytes from one to the next. */
  matrix(ref: Ref): { readonly first: MatrixValues; readonly stride: number }
}

interface PlacedMatrix extends MatrixPlan {
  readonly address: Address
  readonly stride: number
  /** Its wl_matrix records, one for each of `count`. */
  readonly records: Address
}

interface PlacedVector extends VectorPlan {
  readonly address: Address
  readonly values: Float32Array
}

/** Elements that are read at once: two such pieces, and what they are read from, are all that loading needs beside the weights. */
const CHUNK_ELEMENTS = 2 ** 20
/** Pieces of whole panels are written without touching a cache line twice. */
const PANEL_ROWS = 32

/**
 * Reads every weight once, some rows at a time, and packs them on other threads while the next are read. Rejects with the
 * signal's reason if aborted; nothing runs any more when it settles.
 */
export async function loadWeights(
  library: CpuLibrary,
  memory: NativeMemory,
  program: Program,
  threads: number,
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
  await new Loader(library, [...matrices.placed, ...vectors.placed], threads, options).load(options.weights)
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

class Loader {
  private readonly total: number
  private done = 0

  constructor(
    private readonly library: CpuLibrary,
    private readonly weights: readonly (PlacedMatrix | PlacedVector)[],
    private readonly threads: number,
    private readonly options: Pick<ExecutorOptions, 'onProgress' | 'signal'>,
  ) {
    this.total = weights.reduce((sum, { buffer }) => sum + product(sourceShape(buffer.source!)), 0)
  }

  async load(reader: WeightReader): Promise<void> {
    let storing: Promise<void> = Promise.resolve()
    try {
      for (const weight of this.weights) {
        const source = weight.buffer.source!
        const [rows, ...columns] = sourceShape(source) as [number, ...number[]]
        const width = product(columns)
        const step = rowsAtOnce(width)
        for (let first = 0; first < rows; first += step) {
          this.options.signal?.throwIfAborted()
          const values = await reader.readRows(source, first, Math.min(step, rows - first))
          await storing
          storing = this.store(weight, first, width, values)
          // Whoever awaits it, below or in the next round, hears of a failure.
          storing.catch(() => {})
        }
      }
    } finally {
      await storing
    }
    this.options.signal?.throwIfAborted()
  }

  /** Holds `values` until native code is done with them. */
  private async store(weight: PlacedMatrix | PlacedVector, first: number, width: number, values: Float32Array) {
    if (weight.kind === 'vector') weight.values.set(values, first * width)
    else await this.pack(weight, first, values)
    this.done += values.length
    this.options.onProgress?.(this.done, this.total)
  }

  /** Each thread packs its own run of rows; a run that would reach into the next of several matrices is cut there. */
  private async pack({ inputs, outputs, records }: PlacedMatrix, first: number, values: Float32Array): Promise<void> {
    const rows = values.length / inputs
    const start = this.library.addressOf(values)
    const share = Math.ceil(rows / this.threads / PANEL_ROWS) * PANEL_ROWS
    const parts: Promise<void>[] = []
    for (let done = 0; done < rows; ) {
      const index = Math.floor((first + done) / outputs)
      const within = (first + done) % outputs
      const count = Math.min(share, rows - done, outputs - within)
      const record = records + BigInt(index * MATRIX.bytes)
      parts.push(this.library.pack(record, within, count, start + BigInt(done * inputs * 4)))
      done += count
    }
    const results = await Promise.allSettled(parts)
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }
}

function rowsAtOnce(width: number): number {
  const rows = Math.floor(CHUNK_ELEMENTS / width)
  return rows > PANEL_ROWS ? rows - (rows % PANEL_ROWS) : Math.max(1, rows)
}

function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1)
}
