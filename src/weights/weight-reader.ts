import { WarplineError } from '../errors.js'
import type { RawWeights, TensorPart, WeightPart, WeightReader, WeightSource } from '../program/weight-source.js'
import { CheckpointRawWeights } from './raw-weights.js'
import { columnsOf, locate, type Run, runsOf, type Stored, type TensorSource } from './tensor-rows.js'

export type { TensorSource } from './tensor-rows.js'

/** Elements of a cache line. */
const TRANSPOSED_ROWS = 16

/**
 * Reads weights from a checkpoint, row by row where it stores them so. A transposed tensor is read whole and kept until
 * another tensor is asked for, because its rows lie scattered over all of it. Reading no rows checks names and shapes of
 * the whole source. Its `raw` hands out the same rows as they are stored. Errors: `weight-missing`, `weight-shape`, and those of the checkpoint.
 */
export function checkpointReader(checkpoint: TensorSource): WeightReader {
  return new CheckpointWeights(checkpoint)
}

class CheckpointWeights implements WeightReader {
  private whole: { readonly tensor: string; readonly values: Promise<Float32Array> } | undefined

  readonly raw: RawWeights

  constructor(private readonly checkpoint: TensorSource) {
    this.raw = new CheckpointRawWeights(checkpoint)
  }

  async readRows(source: WeightSource, first: number, count: number): Promise<Float32Array> {
    for (const part of source.parts) if (part.kind === 'tensor') locate(this.checkpoint.tensors, part)
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
    const stored = locate(this.checkpoint.tensors, part)
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
}

/** The rows stand in the file as they are wanted, one behind the other. */
function isStoredSo(part: TensorPart, run: Run): boolean {
  return !part.transposed && !part.columns && (run.step === 1 || run.count === 1)
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
