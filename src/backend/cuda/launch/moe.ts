import { WarplineError } from '../../../errors.js'
import type { Moe } from '../../../program/operation.js'
import type { Launch, Places, StepSizes } from './launch.js'

export function moeLaunches(_op: Moe, _at: Places, _sizes: StepSizes): Launch[] {
  throw new WarplineError('program-invalid', 'moe is under construction')
}
