import { type RawSpan, type RawType, type RawView, type RawWeights, sourceShape } from '../../program/weight-source.js'
import type { ExecutorOptions } from '../executor.js'
import { MATRIX, ROWS, ROWS_TYPE } from './abi.js'
import type { Address, CpuLibrary } from './library.js'
import type { NativeMemory } from './native-memory.js'
import { ReadBuffers } from './read-buffers.js'
import type { ThreadPool } from './thread-pools.js'
import type { PlacedMatrix, PlacedVector } from './weights.js'

type LoadOptions = Pick<ExecutorOptions, 'weights' | 'onProgress' | 'signal'>
type Placed = PlacedMatrix | PlacedVector

/** Bytes of a checkpoint that are read at once, where its layout allows. */
const PIECE_BYTES = 2 ** 21
const FLOAT_BYTES = 4
/** Pieces that are read or wait to be packed: with these, loading needs little memory beside the weights. */
const MOST_OPEN_BYTES = 12 * 2 ** 20
const MOST_OPEN = 16
/** Pieces of whole panels are written without touching a cache line twice. */
const PANEL_ROWS = 32

/** Part of a weight: reading it gives what puts it into its place. */
interface Piece {
  readonly bytes: number
  readonly elements: number
  read(): Promise<() => void | Promise<void>>
}

/**
 * Reads each weight once and packs it on the pool's threads while the next ones are read: a matrix as its checkpoint stores
 * it where that is possible, else as floats. All names and shapes are checked first: an error in the last should not take a
 * minute to come.
 */
export async function fillWeights(
  library: CpuLibrary,
  memory: NativeMemory,
  pool: ThreadPool,
  weights: readonly Placed[],
  options: LoadOptions,
): Promise<void> {
  const loader = new Loader(library, memory, pool, options)
  const pieces: Piece[] = []
  for (const weight of weights) pieces.push(...(await loader.piecesOf(weight)))
  await loader.load(pieces)
}

class Loader {
  private readonly buffers = new ReadBuffers()
  /** One wl_rows: pieces are packed one after another, each by all threads. */
  private readonly rows: { readonly address: Address; readonly view: DataView }

  /** Not to be collected while native code reads it. */
  protected packed: RowsInMemory['memory'] | undefined

  constructor(
    private readonly library: CpuLibrary,
    memory: NativeMemory,
    private readonly pool: ThreadPool,
    private readonly options: LoadOptions,
  ) {
    const region = memory.allocate(ROWS.bytes)
    this.rows = { address: region.address, view: new DataView(region.buffer()) }
  }

  async piecesOf(weight: Placed): Promise<Piece[]> {
    const { weights } = this.options
    const source = weight.buffer.source!
    const spans = weight.kind === 'matrix' ? weights.raw?.spans(source, PIECE_BYTES) : undefined
    if (spans) return spans.map((span) => this.rawPiece(weight as PlacedMatrix, span, weights.raw!))
    await weights.readRows(source, 0, 0)
    const [rows, ...columns] = sourceShape(source) as [number, ...number[]]
    const width = product(columns)
    const step = rowsAtOnce(width)
    const pieces = Math.ceil(rows / step)
    return Array.from({ length: pieces }, (_, i) =>
      this.floatPiece(weight, i * step, Math.min(step, rows - i * step), width),
    )
  }

  async load(pieces: readonly Piece[]): Promise<void> {
    const { signal, onProgress } = this.options
    const total = pieces.reduce((sum, { elements }) => sum + elements, 0)
    const open: { readonly piece: Piece; readonly reading: ReturnType<Piece['read']> }[] = []
    let started = 0
    let openBytes = 0
    let done = 0
    try {
      for (;;) {
        signal?.throwIfAborted()
        for (let next = pieces[started]; next; next = pieces[++started]) {
          if (open.length > 0 && (open.length >= MOST_OPEN || openBytes + next.bytes > MOST_OPEN_BYTES)) break
          const reading = next.read()
          // Whoever awaits it, below, hears of a failure.
          reading.catch(() => {})
          open.push({ piece: next, reading })
          openBytes += next.bytes
        }
        const first = open[0]
        if (!first) return
        const store = await first.reading
        await store()
        open.shift()
        openBytes -= first.piece.bytes
        done += first.piece.elements
        onProgress?.(done, total)
      }
    } finally {
      await Promise.allSettled(open.map(({ reading }) => reading))
    }
  }

  private rawPiece(matrix: PlacedMatrix, span: RawSpan, raw: RawWeights): Piece {
    const { bytes, views, type } = span
    const elements = views.reduce((sum, { rows, columns }) => sum + rows * columns, 0)
    const elementBytes = bytes / span.elements
    return {
      bytes,
      elements,
      read: async () => {
        const buffer = this.buffers.take(bytes)
        await raw.read(span, buffer.subarray(0, bytes))
        return async () => {
          for (const view of views) await this.pack(matrix, { ...view, type, memory: buffer, elementBytes })
          this.buffers.give(buffer)
        }
      },
    }
  }

  private floatPiece(weight: Placed, first: number, rows: number, width: number): Piece {
    return {
      bytes: rows * width * FLOAT_BYTES,
      elements: rows * width,
      read: async () => {
        const values = await this.options.weights.readRows(weight.buffer.source!, first, rows)
        if (weight.kind === 'vector') return () => weight.values.set(values, first * width)
        const view = { first, rows, columns: width, start: 0, rowStride: width, columnStride: 1 }
        return () => this.pack(weight, { ...view, type: 'f32', memory: values, elementBytes: FLOAT_BYTES })
      },
    }
  }

  /** Rows that reach into the next of several matrices are cut there. */
  private async pack({ outputs, records }: PlacedMatrix, rows: RowsInMemory): Promise<void> {
    const { rowStride, columnStride, type, elementBytes } = rows
    this.packed = rows.memory
    const address = this.library.addressOf(rows.memory)
    for (let done = 0; done < rows.rows; ) {
      const index = Math.floor((rows.first + done) / outputs)
      const within = (rows.first + done) % outputs
      const count = Math.min(rows.rows - done, outputs - within)
      const data = address + BigInt((rows.start + done * rowStride) * elementBytes)
      ROWS.write(this.rows.view, 0, { data, row_stride: rowStride, input_stride: columnStride, type: ROWS_TYPE[type] })
      await this.pool.pack(records + BigInt(index * MATRIX.bytes), within, count, this.rows.address)
      done += count
    }
    this.packed = undefined
  }
}

/** A view of a span that has been read. */
interface RowsInMemory extends RawView {
  readonly type: RawType
  readonly memory: Uint8Array | Float32Array
  readonly elementBytes: number
}

function rowsAtOnce(width: number): number {
  const rows = Math.floor(PIECE_BYTES / FLOAT_BYTES / width)
  return rows > PANEL_ROWS ? rows - (rows % PANEL_ROWS) : Math.max(1, rows)
}

function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1)
}
