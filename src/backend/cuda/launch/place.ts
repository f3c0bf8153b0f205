import type { RawType, RawView } from '../../../program/weight-source.js'
import { struct } from '../../structs.js'
import type { KernelType } from '../codes.js'
import { type Address, ceilDiv, type Launch, parametersOf } from './launch.js'

export const PLACE_PARAMS = struct({
  x: 'pointer',
  out: 'pointer',
  start: 'i64',
  row_stride: 'i64',
  column_stride: 'i64',
  rows: 'i32',
  columns: 'i32',
})

const TILE = 32
const THREADS = 256
/** Rows of the largest grid (65535 tiles). */
export const MOST_ROWS = 65535 * TILE

/** Rows of a checkpoint's tensor, as its bytes stand at `from`, to a row-major matrix at `to`. */
export function placeLaunch(from: Address, fromType: RawType, view: RawView, to: Address, type: KernelType): Launch {
  const { rows, columns, start, rowStride, columnStride } = view
  return {
    module: 'place',
    kernel: `place_${fromType}_${type}`,
    grid: [ceilDiv(columns, TILE), ceilDiv(rows, TILE), 1],
    threads: THREADS,
    parameters: parametersOf(PLACE_PARAMS, {
      ...{ x: from, out: to, start, rows, columns },
      row_stride: rowStride,
      column_stride: columnStride,
    }),
  }
}
