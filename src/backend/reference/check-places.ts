import type { Embed } from '../../program/operation.js'
import type { Program } from '../../program/program.js'
import { getBuffer } from '../../program/program.js'
import type { StepInputs } from '../../program/step.js'
import { integersOf } from './step-inputs.js'
import { stepInvalid } from './step-invalid.js'

/** Ids and positions that a kernel would look up outside of a table. Throws `step-invalid`. */
export function checkPlaces(program: Program, inputs: StepInputs): void {
  for (const op of program.operations) if (op.kind === 'embed') checkEmbed(program, op, inputs)
}

function checkEmbed(program: Program, op: Embed, inputs: StepInputs): void {
  const entries = getBuffer(program, op.table).shape[0] as number
  const { idOffset = 0, positionOffset = 0 } = op
  const soft = op.rows !== undefined && inputs.softRows !== undefined
  const ids = integersOf(inputs, op.ids)
  const sources = op.ids === 'ids' ? inputs.idsFrom : undefined
  for (let i = 0; i < ids.length; i++) {
    // What the step before sampled is a token of the vocabulary.
    if (sources && sources[i]! >= 0) continue
    const id = ids[i]!
    const row = id + idOffset
    const isRow = row >= 0 && row < entries
    if (!isRow && !(soft && id === -1)) stepInvalid(`token id ${row} is not a row of a table of ${entries}`)
  }
  if (op.positions === undefined || op.positionTable === undefined) return
  const places = getBuffer(program, op.positionTable).shape[0] as number
  for (const position of integersOf(inputs, op.positions)) {
    const row = position + positionOffset
    if (row < 0 || row >= places) stepInvalid(`position ${row} is not a row of a table of ${places}`)
  }
}
