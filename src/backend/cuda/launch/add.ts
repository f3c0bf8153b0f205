import type { Add } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { TYPE_BYTES } from '../codes.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'

export const ADD_PARAMS = struct({ x: 'pointer', y: 'pointer', out: 'pointer', count: 'i64' })

const THREADS = 256
/** Blocks of 256 threads that a multiprocessor runs at a time. */
const BLOCKS_PER_MULTIPROCESSOR = 8

export function addLaunches(op: Add, at: Places, sizes: StepSizes): Launch[] {
  const type = at.typeOf(op.out)
  const count = at.rowsOf(op.out, sizes) * at.widthOf(op.out)
  if (count === 0) return []
  const vectors = ceilDiv(count * TYPE_BYTES[type], 16)
  const blocks = Math.min(ceilDiv(vectors, THREADS), at.device.multiprocessors * BLOCKS_PER_MULTIPROCESSOR)
  const parameters = parametersOf(ADD_PARAMS, { x: at.of(op.x), y: at.of(op.y), out: at.of(op.out), count })
  return [{ module: 'add', kernel: `add_${type}`, grid: [blocks, 1, 1], threads: THREADS, parameters }]
}
