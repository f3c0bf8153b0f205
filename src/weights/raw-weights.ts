import { WarplineError } from '../errors.js'
import type { RawSpan, RawType, RawView, RawWeights, TensorPart, WeightSource } from '../program/weight-source.js'
import { type CheckpointDtype, DTYPE_BYTES } from './dtype.js'
import { locate, runsOf, type Stored, type TensorSource } from './tensor-rows.js'

const RAW_TYPES: Partial<Record<CheckpointDtype, RawType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' }
/** Long runs of rows are cut at multiples of this: packed layouts hold some rows side by side. */
const CUT_ROWS = 64

/** A span that more views may join. */
interface OpenSpan extends RawSpan {
  readonly views: RawView[]
}

/** Where the rows of weights stand in a checkpoint's files, and those bytes. */
export class CheckpointRawWeights implements RawWeights {
  constructor(private readonly checkpoint: Pick<TensorSource, 'tensors' | 'readInto'>) {}

  spans(source: WeightSource, mostBytes: number): RawSpan[] | undefined {
    const spans = new Spans()
    let first = 0
    for (const part of source.parts) {
      if (part.kind !== 'tensor') return undefined
      const stored = locate(this.checkpoint.tensors, part)
      const type = RAW_TYPES[stored.info.dtype]
      if (!type || part.plus) return undefined
      if (part.transposed) spans.addTransposed(part, type, stored, first)
      else spans.addStored(part, type, stored, first, mostBytes / DTYPE_BYTES[stored.info.dtype])
      first += part.shape[0]!
    }
    return spans.all
  }

  async read({ tensor, type, start, elements, bytes }: RawSpan, target: Uint8Array): Promise<void> {
    const dtype = this.checkpoint.tensors.get(tensor)?.dtype
    if (!dtype || RAW_TYPES[dtype] !== type) {
      throw new WarplineError('weight-shape', `the checkpoint has no tensor ${tensor} of ${type}`)
    }
    if (target.byteLength !== bytes) {
      const problem = `a span of tensor ${tensor} has ${bytes} bytes and its target ${target.byteLength}`
      throw new WarplineError('tensor-range-invalid', problem)
    }
    await this.checkpoint.readInto(tensor, target, { start, length: elements })
  }
}

class Spans {
  readonly all: OpenSpan[] = []

  /** The tensor's rows are the part's columns: those that are wanted, from the first to the last, hold all of its rows. */
  addTransposed(part: TensorPart, type: RawType, stored: Stored, first: number): void {
    const { start: from, length: columns } = columnRange(part, stored)
    const range = { start: from * stored.rows, elements: columns * stored.rows }
    let row = first
    for (const run of runsOf(part, 0, part.shape[0]!)) {
      const strides = { start: run.first, rowStride: run.step, columnStride: stored.rows }
      this.add(part, type, range, { first: row, rows: run.count, columns, ...strides })
      row += run.count
    }
  }

  addStored(part: TensorPart, type: RawType, stored: Stored, first: number, mostElements: number): void {
    const { start: from, length: columns } = columnRange(part, stored)
    let row = first
    for (const run of runsOf(part, 0, part.shape[0]!)) {
      const rowStride = run.step * stored.columns
      const step = rowsAtOnce(Math.floor((mostElements - columns) / rowStride) + 1)
      for (let done = 0; done < run.count; done += step) {
        const rows = Math.min(step, run.count - done)
        const start = (run.first + done * run.step) * stored.columns + from
        const range = { start, elements: (rows - 1) * rowStride + columns }
        this.add(part, type, range, { first: row + done, rows, columns, start: 0, rowStride, columnStride: 1 })
      }
      row += run.count
    }
  }

  /** Joins the last span where it is of the same bytes, and its last view where it goes on from it. */
  private add(part: TensorPart, type: RawType, range: { start: number; elements: number }, view: RawView): void {
    const { tensor } = part
    const { start, elements } = range
    let span = this.all.at(-1)
    if (!span || span.tensor !== tensor || span.start !== start || span.elements !== elements) {
      span = { tensor, type, start, elements, bytes: elements * (type === 'f32' ? 4 : 2), views: [] }
      this.all.push(span)
    }
    const before = span.views.at(-1)
    if (before && goesOn(before, view)) span.views[span.views.length - 1] = { ...before, rows: before.rows + view.rows }
    else span.views.push(view)
  }
}

function columnRange(part: TensorPart, stored: Stored): { start: number; length: number } {
  return part.columns ?? { start: 0, length: stored.columns }
}

function rowsAtOnce(rows: number): number {
  return rows > CUT_ROWS ? rows - (rows % CUT_ROWS) : Math.max(1, rows)
}

function goesOn(a: RawView, b: RawView): boolean {
  const alike = a.columns === b.columns && a.rowStride === b.rowStride && a.columnStride === b.columnStride
  return alike && b.first === a.first + a.rows && b.start === a.start + a.rows * a.rowStride
}
