import type { Ref } from '../../program/buffer.js'
import type { StepInputs } from '../../program/step.js'
import { stepInvalid } from './step-invalid.js'

/** The arrays of a step by the names that programs give their input buffers. */
export function integersOf(inputs: StepInputs, ref: Ref): Int32Array {
  const fields: Record<Ref, Int32Array | undefined> = {
    ids: inputs.ids,
    positions: inputs.positions,
    'rotary-lengths': inputs.rotaryLengths,
    slots: inputs.slots,
    'query-starts': inputs.queryStarts,
    'context-lengths': inputs.contextLengths,
    'block-tables': inputs.blockTables,
    rows: inputs.rows,
    copies: inputs.copies,
  }
  return fields[ref] ?? stepInvalid(`the step has no input ${ref}`)
}
