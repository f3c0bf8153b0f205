import { struct } from '../../structs.js'
import type { KernelType } from '../codes.js'
import { type Address, ceilDiv, type Launch, parametersOf } from './launch.js'

export const CONVERT_PARAMS = struct({ x: 'pointer', y: 'pointer', count: 'i64' })

const THREADS = 256
const PER_THREAD = 8

/** Float32 at `from` to a type at `to`, element by element. */
export function convertLaunch(from: Address, to: Address, type: KernelType, count: number): Launch {
  return {
    module: 'convert',
    kernel: `convert_${type}`,
    grid: [Math.max(1, ceilDiv(count, THREADS * PER_THREAD)), 1, 1],
    threads: THREADS,
    parameters: parametersOf(CONVERT_PARAMS, { x: from, y: to, count }),
  }
}
