import type { RandomValues } from '../../../program/weight-source.js'
import { struct } from '../../structs.js'
import type { KernelType } from '../codes.js'
import { type Address, ceilDiv, type Launch, parametersOf } from './launch.js'

export const RANDOM_PARAMS = struct({
  y: 'pointer',
  first: 'i64',
  count: 'i64',
  seed: 'i32',
  mean: 'f32',
  spread: 'f32',
})

const THREADS = 256
const PER_THREAD = 8

/** Elements `first` to `first + count` of made-up values; see weights/random-weights.ts. */
export function randomLaunch(
  values: RandomValues,
  to: Address,
  type: KernelType,
  first: number,
  count: number,
): Launch {
  const { seed, mean, scale } = values
  const spread = Math.fround(Math.fround(scale) * Math.fround(3 ** 0.5))
  return {
    module: 'random',
    kernel: `random_${type}`,
    grid: [ceilDiv(count, THREADS * PER_THREAD), 1, 1],
    threads: THREADS,
    parameters: parametersOf(RANDOM_PARAMS, { y: to, first, count, seed: seed | 0, mean, spread }),
  }
}
