import { nearestName, WarplineError } from '../errors.js'
import type { TensorPart, WeightPart, WeightReader, WeightSource } from '../program/weight-source.js'
import type { ElementRange } from './safetensors.js'

/** What reading needs of a checkpoint. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>
  readFloat32(name: string, range?: ElementRange): Promise<Float32Array>
}

/** Rows closer together than this many times their own length are read in one piece with what lies between. */
const SPAN_FACTOR = 4
/** Elements of a cache line. */
const TRANSPOSED_ROWS = 16

/**
 * Reads weights from a checkpoint, row by row where it stores them so. A transposed tensor is read whole and kept until
 * another tensor is asked for, because its rows lie scattered over all of it. Reading no rows checks names and shapes of
 * the whole source. Errors: `weight-missing`, `weight-shape`, and those of the checkpoint.
 */
export function checkpointReader(checkpoint: TensorSource): WeightReader {
  return new CheckpointWeights(checkpoint)
}

class CheckpointWeights implements WeightReader {
  private whole: { readonly tensor: string; readonly values: Promise<Float32Array> } | undefined

  constructor(private readonly checkpoint: TensorSource) {}

  async readRows(source: WeightSource, first: number, count: number): Promise<Float32Array> {
    for (const part of source.parts) if (part.kind === 'tensor') this.locate(part)
    const pieces: Float32Array[] = []
    let start = 0
    for (const part of source.parts) {
      const rows = part.shape[0]!
      const from = Math.max(first, start)
      const to = Math.min(first + count, start + rows)
      if (from < to) pieces.push(await this.readPart(part, from - start, to - from))
      start += rows
    }
    if (first < 0 || first + count > start) {
      throw new WarplineError('weight-shape', `rows ${first} to ${first + count} of a weight of ${start} rows`)
    }
    return pieces.length === 1 ? pieces[0]! : join(pieces)
  }

  private async readPart(part: WeightPart, first: number, count: number): Promise<Float32Array> {
    const width = columnsOf(part)
    if (part.kind === 'zeros') return new Float32Array(count * width)
    if (part.kind === 'constant') return Float32Array.from(part.values.slice(first * width, (first + count) * width))
    const values = await this.readTensor(part, first, count)
    if (part.plus) for (let i = 0; i < values.length; i++) values[i] = values[i]! + part.plus
    return values
  }

  private async readTensor(part: TensorPart, first: number, count: number): Promise<Float32Array> {
    const stored = this.locate(part)
    if (!part.transposed && this.whole?.tensor !== part.tensor) this.whole = undefined
    const runs = runsOf(part, first, count)
    if (runs.length === 1 && isStoredSo(part, runs[0]!)) {
      const range = { start: runs[0]!.first * stored.columns, length: count * stored.columns }
      return this.checkpoint.readFloat32(part.tensor, range)
    }
    const out = new Float32Array(count * columnsOf(part))
    let done = 0
    for (const run of runs) {
      const target = out.subarray(done * columnsOf(part), (done + run.count) * columnsOf(part))
      if (part.transposed) await this.readTransposed(part, stored, run, target)
      else await this.readStored(part, stored, run, target)
      done += run.count
    }
    return out
  }

  private async readStored(part: TensorPart, stored: Stored, run: Run, out: Float32Array): Promise<void> {
    const span = (run.count - 1) * run.step + 1
    const range = { start: run.first * stored.columns, length: span * stored.columns }
    const values = await this.checkpoint.readFloat32(part.tensor, range)
    const { start = 0, length = stored.columns } = part.columns ?? {}
    for (let r = 0; r < run.count; r++) {
      const from = r * run.step * stored.columns + start
      out.set(values.subarray(from, from + length), r * length)
    }
  }

  private async readTransposed(part: TensorPart, stored: Stored, run: Run, out: Float32Array): Promise<void> {
    if (this.whole?.tensor !== part.tensor) {
      this.whole = { tensor: part.tensor, values: this.checkpoint.readFloat32(part.tensor) }
    }
    const values = await this.whole.values
    const { start = 0, length = stored.columns } = part.columns ?? {}
    // Few rows at a time: each of them is written from its start to its end while its cache line is at hand.
    for (let firstRow = 0; firstRow < run.count; firstRow += TRANSPOSED_ROWS) {
      const end = Math.min(firstRow + TRANSPOSED_ROWS, run.count)
      for (let c = 0; c < length; c++) {
        const from = (start + c) * stored.rows + run.first
        for (let r = firstRow; r < end; r++) out[r * length + c] = values[from + r * run.step]!
      }
    }
  }

  private locate(part: TensorPart): Stored {
    const found = this.checkpoint.tensors.get(part.tensor)
    if (!found) throw missing(part.tensor, [...this.checkpoint.tensors.keys()])
    const stored = asMatrix(found.shape, part)
    if (!stored || !fits(part, stored)) {
      throw new WarplineError(
        'weight-shape',
        `tensor ${part.tensor} has shape [${found.shape}] and the model's configuration asks for ${wanted(part)}; ` +
          'config.json and the weights must be of the same model',
      )
    }
    return stored
  }
}

/** A checkpoint tensor as rows and columns of the program's orientation. */
interface Stored {
  readonly rows: number
  readonly columns: number
}

/** Rows first, first + step, ... of a tensor. */
interface Run {
  readonly first: number
  readonly count: number
  readonly step: number
}

/** The rows stand in the file as they are wanted, one behind the other. */
function isStoredSo(part: TensorPart, run: Run): boolean {
  return !part.transposed && !part.columns && (run.step === 1 || run.count === 1)
}

function columnsOf(part: WeightPart): number {
  return part.shape.slice(1).reduce((product, size) => product * size, 1)
}

/** Stacks of matrices count as one tall matrix, vectors as rows of one element. */
function asMatrix(shape: readonly number[], part: TensorPart): Stored | undefined {
  if (shape.length === 0) return undefined
  const isVector = part.shape.length === 1
  if (isVector !== (shape.length === 1)) return undefined
  if (isVector) return { rows: shape[0]!, columns: 1 }
  const last = shape.at(-1)!
  const above = shape.slice(0, -1).reduce((product, size) => product * size, 1)
  return part.transposed ? { rows: last, columns: above } : { rows: above, columns: last }
}

function fits(part: TensorPart, stored: Stored): boolean {
  const [rows] = part.shape as [number]
  const { rows: picked, columns } = part
  const rowsFit = picked
    ? picked.length * picked.repeat === rows &&
      lastRow(picked) < stored.rows &&
      stored.rows === (picked.total ?? stored.rows)
    : rows === stored.rows
  const columnsFit = columns
    ? columns.length === columnsOf(part) && columns.start + columns.length <= stored.columns
    : columnsOf(part) === stored.columns
  return rowsFit && columnsFit
}

function lastRow({ start, length, stride, repeat }: NonNullable<TensorPart['rows']>): number {
  return start + (repeat - 1) * stride + length - 1
}

function wanted({ shape, transposed, rows, columns }: TensorPart): string {
  const height = rows ? `${rows.total ?? `at least ${lastRow(rows) + 1}`}` : `${shape[0]}`
  if (shape.length === 1) return `[${height}]`
  const width = columns ? `at least ${columns.start + columns.length}` : shape.slice(1).join()
  return `[${transposed ? `${width},${height}` : `${height},${width}`}]`
}

/** The picked rows `first` .. `first + count` as few runs of evenly spaced tensor rows. */
function runsOf(part: TensorPart, first: number, count: number): Run[] {
  if (!part.rows) return [{ first, count, step: 1 }]
  const { start, length, stride } = part.rows
  if (length === 1 && stride <= SPAN_FACTOR) return [{ first: start + first * stride, count, step: stride }]
  const runs: Run[] = []
  for (let row = first; row < first + count; ) {
    const within = row % length
    const taken = Math.min(length - within, first + count - row)
    runs.push({ first: start + Math.floor(row / length) * stride + within, count: taken, step: 1 })
    row += taken
  }
  return runs
}

function join(pieces: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}

function missing(name: string, known: readonly string[]): WarplineError {
  const near = nearNames(name, known)
  const hint = near.length > 0 ? `; near names that it has: ${near.join(', ')}` : ''
  return new WarplineError(
    'weight-missing',
    `the checkpoint has no tensor ${name}${hint}; it may be incomplete or of another model type than config.json says`,
  )
}

/** The nearest spelling, and names that differ by a prefix only. */
function nearNames(name: string, known: readonly string[]): string[] {
  const nearest = nearestName(name, known)
  const prefixed = known.filter((other) => other.endsWith(`.${name}`) || name.endsWith(`.${other}`))
  return [...new Set([...prefixed, ...(nearest === undefined ? [] : [nearest])])].slice(0, 3)
}
