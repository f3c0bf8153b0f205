import { struct } from '../../structs.js'
import { type Launch, parametersOf } from './launch.js'

export const DELAY_PARAMS = struct({ nanoseconds: 'i64' })

/** Keeps the device busy for a while. */
export function delayLaunch(nanoseconds: number): Launch {
  const parameters = parametersOf(DELAY_PARAMS, { nanoseconds: Math.round(nanoseconds) })
  return { module: 'delay', kernel: 'delay', grid: [1, 1, 1], threads: 1, parameters }
}
