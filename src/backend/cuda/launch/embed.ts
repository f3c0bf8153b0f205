import type { Embed } from '../../../program/operation.js'
import { getBuffer } from '../../../program/program.js'
import { struct } from '../../structs.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'
import { optional } from './optional.js'

export const EMBED_PARAMS = struct({
  ids: 'pointer',
  table: 'pointer',
  rows: 'pointer',
  positions: 'pointer',
  position_table: 'pointer',
  out: 'pointer',
  width: 'i32',
  entries: 'i32',
  places: 'i32',
  id_offset: 'i32',
  position_offset: 'i32',
  scale: 'f32',
})

const THREADS = 256

export function embedLaunches(op: Embed, at: Places, sizes: StepSizes): Launch[] {
  const tokens = at.rowsOf(op.out, sizes)
  if (tokens === 0) return []
  const table = at.weight(op.table)
  const width = at.widthOf(op.out)
  const learned = op.positions !== undefined && op.positionTable !== undefined
  const parameters = parametersOf(EMBED_PARAMS, {
    ids: at.of(op.ids),
    table: table.address,
    rows: optional(op.rows, at),
    positions: learned ? at.of(op.positions!) : undefined,
    position_table: learned ? at.of(op.positionTable!) : undefined,
    out: at.of(op.out),
    width,
    entries: table.rows,
    places: learned ? (getBuffer(at.program, op.positionTable!).shape[0] as number) : undefined,
    id_offset: op.idOffset,
    position_offset: op.positionOffset,
    scale: op.scale ?? 1,
  })
  const turns = ceilDiv(width, width % 4 === 0 ? 4 : 1)
  const threads = Math.min(THREADS, ceilDiv(turns, 32) * 32)
  return [
    {
      module: 'embed',
      kernel: `embed_${table.type}_${at.typeOf(op.out)}`,
      grid: [tokens, Math.min(ceilDiv(turns, threads), 64), 1],
      threads,
      parameters,
    },
  ]
}
