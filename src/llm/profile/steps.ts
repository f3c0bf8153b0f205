import { samplingRow } from '../../engine/sampling-row.js'
import { validateSampling } from '../../engine/validate-parameters.js'
import type { StepShape } from '../../program/cost.js'
import type { StepInputs } from '../../program/step.js'

/** What the steps are made for. */
export interface StepPlan {
  readonly tokens: number
  readonly batch: number
  readonly context: number
  readonly vocabulary: number
  readonly blockSize: number
  /** Most tokens of one step. */
  readonly maxTokens: number
}

/** A step, and what it costs goes by. */
export interface PlannedStep {
  readonly inputs: StepInputs
  readonly shape: StepShape
}

/** Blocks that the prompt, or all sequences of the decode step, fill. */
export function blocksFor({ tokens, batch, context, blockSize }: StepPlan): number {
  return Math.max(Math.ceil(tokens / blockSize), batch * Math.ceil(context / blockSize))
}

/** A prompt of random tokens from an empty cache, in as many steps as it takes, the last of which samples. */
export function promptSteps(plan: StepPlan): PlannedStep[] {
  const steps: PlannedStep[] = []
  for (let first = 0; first < plan.tokens; first += plan.maxTokens) {
    const length = Math.min(plan.maxTokens, plan.tokens - first)
    const rows = first + length === plan.tokens ? 1 : 0
    steps.push(plannedStep(plan, [{ first, length, firstBlock: 0 }], rows))
  }
  return steps
}

/**
 * One token for each of the sequences, every one with a cache of its own. `fill` is the same step, which first gives
 * those caches contents: it copies what a prompt has left in the first `filled` blocks into all the others.
 */
export function decodeSteps(plan: StepPlan, filled: number): { readonly fill: StepInputs; readonly step: PlannedStep } {
  const { batch, context, blockSize } = plan
  const each = Math.ceil(context / blockSize)
  const pieces = Array.from({ length: batch }, (_, i) => ({ first: context - 1, length: 1, firstBlock: i * each }))
  const step = plannedStep(plan, pieces, batch)
  const copies: number[] = []
  for (let block = filled; block < batch * each; block++) copies.push(block % filled, block)
  return { fill: { ...step.inputs, copies: Int32Array.from(copies) }, step }
}

/** Tokens `first` to `first + length` of a sequence whose blocks follow each other. */
interface Piece {
  readonly first: number
  readonly length: number
  readonly firstBlock: number
}

function plannedStep(plan: StepPlan, pieces: readonly Piece[], rows: number): PlannedStep {
  const { vocabulary, blockSize } = plan
  const queryStarts = [0]
  for (const { length } of pieces) queryStarts.push(queryStarts.at(-1)! + length)
  const placed = pieces.flatMap(({ first, length, firstBlock }) =>
    Array.from({ length }, (_, i) => ({ position: first + i, slot: firstBlock * blockSize + first + i })),
  )
  const contexts = pieces.map(({ first, length }) => first + length)
  const width = Math.ceil(Math.max(...contexts) / blockSize)
  const parameters = validateSampling({ temperature: 0 }, { vocabulary, maxSequences: pieces.length })
  const state = { promptLength: 0, outputLength: 0, topP: 1, history: new Int32Array(0) }
  const inputs = {
    ids: Int32Array.from(placed, (_, i) => randomId(i, vocabulary)),
    positions: Int32Array.from(placed, ({ position }) => position),
    rotaryLengths: Int32Array.from(placed, ({ position }) => position + 1),
    slots: Int32Array.from(placed, ({ slot }) => slot),
    queryStarts: Int32Array.from(queryStarts),
    contextLengths: Int32Array.from(contexts),
    blockTables: Int32Array.from(
      pieces.flatMap(({ firstBlock }) => Array.from({ length: width }, (_, i) => firstBlock + i)),
    ),
    // Logits of the last token of the last so many sequences.
    rows: Int32Array.from(queryStarts.slice(queryStarts.length - rows), (end) => end - 1),
    copies: new Int32Array(0),
    sampling: Array.from({ length: rows }, (_, sampleIndex) => samplingRow(parameters, { ...state, sampleIndex })),
  }
  const queries = pieces.map(({ length }, i) => ({ length, context: contexts[i]! }))
  return { inputs, shape: { queries, rows } }
}

/** Ids of no meaning, the same in every run: a mixture of experts takes other ways for other tokens. */
function randomId(i: number, vocabulary: number): number {
  return (Math.imul(i + 1, 0x9e3779b1) >>> 0) % vocabulary
}
