import { WarplineError } from '../../errors.js'

/** A step's inputs contradict each other or the program: a defect of whatever built them. */
export function stepInvalid(problem: string): never {
  throw new WarplineError('step-invalid', problem)
}
