import { WarplineError } from '../errors.js'

/** The steps whose cost is asked for. */
export interface InspectedShape {
  /** Prompt length, within the context; 128 or the whole context unless given. */
  tokens?: number
  /** Sequences of a decode step, at most 65536; 1 unless given. */
  batch?: number
  /** Their context length, within the model's; the prompt's unless given. */
  context?: number
}

const MOST_SEQUENCES = 65536

/** With what was not given filled in. Throws `parameter-invalid` for what a model of that context cannot run. */
export function inspectedShape(given: InspectedShape, contextLength: number): Required<InspectedShape> {
  const { tokens = Math.min(128, contextLength), batch = 1 } = given
  const { context = tokens } = given
  checkSize('tokens', tokens, contextLength)
  checkSize('batch', batch, MOST_SEQUENCES)
  checkSize('context', context, contextLength)
  return { tokens, batch, context }
}

function checkSize(name: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
  throw new WarplineError('parameter-invalid', `${name} is ${value}; it must be a whole number from 1 to ${most}`)
}
