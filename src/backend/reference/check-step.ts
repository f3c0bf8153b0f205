import { getBuffer, type Program } from '../../program/program.js'
import type { StepInputs } from '../../program/step.js'
import { stepInvalid } from './step-invalid.js'

export interface StepLimits {
  readonly blocks: number
  readonly blockSize: number
  readonly maxTokens: number
  readonly maxRows: number
}

/**
 * Everything about a step that would otherwise read or write where it must not, or compute something other than what was
 * meant. Only inputs that the program has are looked at. Throws `step-invalid`.
 */
export function checkStep(program: Program, inputs: StepInputs, limits: StepLimits): void {
  const has = (name: string) => program.buffers.has(name)
  checkTokens(inputs, limits, has)
  checkRows(program, inputs, limits, has)
  if (has('slots')) checkSlots(inputs, limits)
  if (has('query-starts')) checkSequences(inputs, limits, has('slots'))
  if (has('copies')) checkCopies(inputs, limits)
  checkSoftRows(program, inputs)
}

function checkTokens(inputs: StepInputs, { maxTokens }: StepLimits, has: (name: string) => boolean): void {
  const tokens = inputs.ids.length
  if (tokens === 0) stepInvalid('a step needs at least one token')
  if (tokens > maxTokens) stepInvalid(`the step has ${tokens} tokens and the executor was made for ${maxTokens}`)
  const perToken = { positions: inputs.positions, 'rotary-lengths': inputs.rotaryLengths, slots: inputs.slots }
  for (const [name, values] of Object.entries(perToken)) {
    if (has(name) && values?.length !== tokens) {
      stepInvalid(`${tokens} tokens need as many ${name}, not ${values?.length ?? 'none'}`)
    }
  }
  if (has('positions')) each(inputs.positions, (p) => p >= 0 || stepInvalid(`position ${p} is negative`))
  if (inputs.hiddenOf) each(inputs.hiddenOf, (t) => inside(t, tokens) || stepInvalid(`hiddenOf names token ${t}`))
}

function checkRows(
  program: Program,
  inputs: StepInputs,
  { maxRows }: StepLimits,
  has: (name: string) => boolean,
): void {
  const { rows, sampling, ids } = inputs
  if (rows.length > maxRows) stepInvalid(`the step has ${rows.length} rows and the executor was made for ${maxRows}`)
  for (let r = 0; r < rows.length; r++) {
    if (!inside(rows[r]!, ids.length)) stepInvalid(`row ${rows[r]} is not one of ${ids.length} tokens`)
    if (r > 0 && rows[r]! < rows[r - 1]!) stepInvalid(`rows do not ascend: ${rows[r - 1]} before ${rows[r]}`)
  }
  if (has('sampling') && sampling.length !== rows.length) {
    stepInvalid(`${rows.length} rows need as many sampling records, not ${sampling.length}`)
  }
  if (has('sampling')) checkMasks(program, sampling)
}

function checkMasks(program: Program, sampling: StepInputs['sampling']): void {
  const words = Math.ceil((getBuffer(program, program.logits).shape[1] as number) / 32)
  for (const { allowed } of sampling) {
    if (allowed !== undefined && allowed.length !== words)
      stepInvalid(`a mask has ${allowed.length} words, needs ${words}`)
  }
}

function checkSlots({ slots }: StepInputs, { blocks, blockSize }: StepLimits): void {
  each(slots, (slot) => inside(slot, blocks * blockSize) || stepInvalid(`slot ${slot} lies outside the cache`))
  if (new Set(slots).size < slots.length) stepInvalid('two tokens share a slot')
}

function checkSequences(inputs: StepInputs, limits: StepLimits, withSlots: boolean): void {
  const { queryStarts, contextLengths, blockTables, slots } = inputs
  const { blocks, blockSize } = limits
  const sequences = contextLengths.length
  const tokens = inputs.ids.length
  if (queryStarts.length !== sequences + 1 || queryStarts[0] !== 0 || queryStarts[sequences] !== tokens) {
    stepInvalid(`queryStarts must lead from 0 to ${tokens} in ${sequences} sequences, not [${queryStarts}]`)
  }
  const width = blockTables.length / sequences
  if (!Number.isInteger(width)) stepInvalid(`${blockTables.length} table entries do not divide by ${sequences}`)
  each(blockTables, (block) => inside(block, blocks) || stepInvalid(`block ${block} lies outside the cache`))
  for (let s = 0; s < sequences; s++) {
    const length = queryStarts[s + 1]! - queryStarts[s]!
    const context = contextLengths[s]!
    if (length <= 0) stepInvalid(`sequence ${s} has ${length} tokens`)
    if (context < length || context > width * blockSize) {
      stepInvalid(`sequence ${s} has ${length} tokens, ${width} blocks of ${blockSize} and a context of ${context}`)
    }
    for (let i = 0; withSlots && i < length; i++) {
      const index = context - length + i
      const slot = blockTables[s * width + Math.floor(index / blockSize)]! * blockSize + (index % blockSize)
      const token = queryStarts[s]! + i
      if (slots[token] !== slot) stepInvalid(`token ${token} is for slot ${slots[token]}, its table says ${slot}`)
    }
  }
}

/** Backends copy in any order, so that no block may be written that another copy reads or writes. */
function checkCopies({ copies }: StepInputs, { blocks }: StepLimits): void {
  if (copies.length % 2 !== 0) stepInvalid('copies are pairs')
  each(copies, (block) => inside(block, blocks) || stepInvalid(`block ${block} lies outside the cache`))
  const sources = new Set(copies.filter((_, i) => i % 2 === 0))
  const targets = copies.filter((_, i) => i % 2 === 1)
  if (new Set(targets).size < targets.length) stepInvalid('a block is the target of two copies')
  each(targets, (target) => !sources.has(target) || stepInvalid(`block ${target} is source and target of copies`))
}

function checkSoftRows(program: Program, { ids, softRows }: StepInputs): void {
  const buffer = program.buffers.get('soft-rows')
  if (!buffer || (softRows === undefined && !ids.includes(-1))) return
  const expected = ids.length * (buffer.shape[1] as number)
  if (softRows?.length !== expected) stepInvalid(`softRows has ${softRows?.length ?? 'no'} values, needs ${expected}`)
}

function inside(value: number, size: number): boolean {
  return value >= 0 && value < size
}

function each(values: Int32Array, check: (value: number) => unknown): void {
  for (const value of values) check(value)
}
