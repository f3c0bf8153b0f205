import { WarplineError } from '../errors.js'

/** What must hold whatever a user does; a failure is a defect of the engine, never of its input. */
export function invariant(holds: boolean, statement: string): asserts holds {
  if (!holds) throw new WarplineError('engine-defect', `this should never happen: ${statement}`)
}
