import type { StepInputs } from '../../program/step.js'
import type { StepSizes } from './launch/launch.js'

/** Batches of decode steps are padded to one of these, so that few graphs serve all; beyond the last, to its multiples. */
const BUCKETS = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256]

export function bucketOf(sequences: number): number {
  const last = BUCKETS.at(-1)!
  return BUCKETS.find((bucket) => bucket >= sequences) ?? Math.ceil(sequences / last) * last
}

export interface ShapedStep {
  readonly sizes: StepSizes
  /** Whether the step is padded to sizes that many others share. */
  readonly padded: boolean
}

/** The sizes to plan a step for: a decode step's bucket, where activations have room for it, or exactly the step's own. */
export function shapeOf(inputs: StepInputs, room: { readonly tokens: number; readonly context: number }): ShapedStep {
  const bucket = bucketOf(inputs.ids.length)
  if (isDecode(inputs) && bucket <= room.tokens) {
    const size = { tokens: bucket, rows: bucket, sequences: bucket }
    return { sizes: { ...size, copies: 0, longestQuery: 1, longestContext: room.context }, padded: true }
  }
  let longestQuery = 0
  let longestContext = 0
  const { queryStarts, contextLengths } = inputs
  for (let s = 0; s < contextLengths.length; s++) {
    longestQuery = Math.max(longestQuery, queryStarts[s + 1]! - queryStarts[s]!)
    longestContext = Math.max(longestContext, contextLengths[s]!)
  }
  const sizes = {
    tokens: inputs.ids.length,
    rows: inputs.rows.length,
    sequences: contextLengths.length,
    copies: inputs.copies.length / 2,
    longestQuery,
    longestContext,
  }
  return { sizes, padded: false }
}

/** Every sequence adds one token and wants one row, and nothing is to be copied first. */
function isDecode({ ids, rows, contextLengths, copies, softRows }: StepInputs): boolean {
  const tokens = ids.length
  if (copies.length > 0 || softRows || contextLengths.length !== tokens || rows.length !== tokens) return false
  for (let i = 0; i < tokens; i++) if (rows[i] !== i) return false
  return true
}

/** Equal for steps that one plan serves. */
export function keyOf({ tokens, rows, sequences, copies, longestQuery, longestContext }: StepSizes): string {
  return `${tokens}:${rows}:${sequences}:${copies}:${longestQuery}:${longestContext}`
}
