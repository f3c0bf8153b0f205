import type { GatherRows } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { TYPE_BYTES } from '../codes.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'

export const GATHER_ROWS_PARAMS = struct({
  x: 'pointer',
  rows: 'pointer',
  out: 'pointer',
  width: 'i32',
  sources: 'i32',
})

const THREADS = 256

export function gatherRowsLaunches(op: GatherRows, at: Places, sizes: StepSizes): Launch[] {
  const rows = at.rowsOf(op.out, sizes)
  if (rows === 0) return []
  const type = at.typeOf(op.x)
  const width = at.widthOf(op.x)
  const bytes = width * TYPE_BYTES[type]
  const turns = bytes % 16 === 0 ? bytes / 16 : width
  const threads = Math.min(THREADS, ceilDiv(turns, 32) * 32)
  const parameters = parametersOf(GATHER_ROWS_PARAMS, {
    x: at.of(op.x),
    rows: at.of(op.rows),
    out: at.of(op.out),
    width,
    sources: at.rowsOf(op.x, sizes),
  })
  return [
    {
      module: 'gather-rows',
      kernel: `gather_rows_${type}`,
      grid: [rows, Math.min(ceilDiv(turns, threads), 64), 1],
      threads,
      parameters,
    },
  ]
}
