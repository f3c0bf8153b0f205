import { nearestName, WarplineError } from '../errors.js'
import type { TensorPart, WeightPart } from '../program/weight-source.js'
import type { CheckpointDtype } from './dtype.js'
import type { ElementRange } from './safetensors.js'

/** What reading needs of a checkpoint. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, { readonly dtype: CheckpointDtype; readonly shape: readonly number[] }>
  /** Little-endian elements into memory of exactly their size. */
  readInto(name: string, target: Uint8Array, range?: ElementRange): Promise<void>
  readFloat32(name: string, range?: ElementRange): Promise<Float32Array>
}

/** Rows closer together than this many times their own length are read in one piece with what lies between. */
const SPAN_FACTOR = 4

/** A checkpoint tensor as rows and columns of the program's orientation. */
export interface Stored {
  readonly rows: number
  readonly columns: number
}

/** Rows first, first + step, ... of a tensor. */
export interface Run {
  readonly first: number
  readonly count: number
  readonly step: number
}

/** The tensor that a part reads. Throws `weight-missing`, or `weight-shape` where it is not what the part asks for. */
export function locate<T extends { readonly shape: readonly number[] }>(
  tensors: ReadonlyMap<string, T>,
  part: TensorPart,
): Stored & { readonly info: T } {
  const info = tensors.get(part.tensor)
  if (!info) throw missing(part.tensor, [...tensors.keys()])
  const stored = asMatrix(info.shape, part)
  if (!stored || !fits(part, stored)) {
    throw new WarplineError(
      'weight-shape',
      `tensor ${part.tensor} has shape [${info.shape}] and the model's configuration asks for ${wanted(part)}; ` +
        'config.json and the weights must be of the same model',
    )
  }
  return { ...stored, info }
}

export function columnsOf(part: WeightPart): number {
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
export function runsOf(part: TensorPart, first: number, count: number): Run[] {
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
