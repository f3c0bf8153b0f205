import { struct } from '../../structs.js'
import { type Address, type Launch, parametersOf } from './launch.js'

export const READ_PARAMS = struct({ x: 'pointer', out: 'pointer', count: 'i64' })

const THREADS = 512
const IN_FLIGHT = 8
const BLOCKS_EACH = 4

/** Reads as much of `bytes` as divides evenly; how much is returned beside the launch. */
export function readLaunch(
  x: Address,
  out: Address,
  bytes: number,
  multiprocessors: number,
): { launch: Launch; bytes: number } {
  const blocks = multiprocessors * BLOCKS_EACH
  const round = blocks * THREADS * IN_FLIGHT
  const count = Math.floor(bytes / 16 / round) * round
  const parameters = parametersOf(READ_PARAMS, { x, out, count })
  return {
    launch: { module: 'bench/read', kernel: 'read_once', grid: [blocks, 1, 1], threads: THREADS, parameters },
    bytes: count * 16,
  }
}
