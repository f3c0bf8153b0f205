import type { SampledRow } from '../program/step.js'
import type { Request } from './request.js'
import type { Sequence } from './sequence.js'

/** Tokens `first` to `first + count` of a sequence, computed in one step. */
export interface Work {
  readonly request: Request
  readonly sequence: Sequence
  readonly first: number
  readonly count: number
  /** Whether no token stands behind the last of them, so that one is chosen. */
  readonly final: boolean
  /** Its rows and hidden states among all of the step's, in the order of its tokens: written when the step is built. */
  firstRow: number
  rowCount: number
  firstState: number
}

/** What came of a step: rows and hidden states by their place in it. */
export interface StepResults {
  readonly sampled: readonly SampledRow[]
  stateAt(place: number): Float32Array
}

/** What one step computes, as it is put together, and how much more fits into it. */
export class Plan {
  readonly work: Work[] = []
  /** Blocks to copy first: from, to, ... */
  readonly copies: number[] = []

  constructor(
    public tokensLeft: number,
    /** Logit rows beyond the `width` that each running request may count on. */
    public rowsLeft: number,
  ) {}

  /** Adds the next `most` tokens of a sequence, or as many as fit. */
  add(request: Request, sequence: Sequence, most: number): void {
    const fitting = Math.min(most, this.tokensLeft)
    const count = request.report.scoring ? this.scorable(request, sequence, fitting) : fitting
    if (count <= 0) return
    const first = sequence.scheduled
    sequence.scheduled += count
    this.tokensLeft -= count
    const final = sequence.pending === 0
    this.work.push({ request, sequence, first, count, final, firstRow: 0, rowCount: 0, firstState: 0 })
  }

  /** Each token of a scored prompt takes a row, and the last takes those that choose. */
  private scorable({ decoding }: Request, { pending }: Sequence, most: number): number {
    const room = decoding.width + this.rowsLeft
    const last = pending - 1
    const count = most >= pending && last + decoding.rowsEach <= room ? pending : Math.min(most, room, last)
    const rows = count === pending ? last + decoding.rowsEach : count
    this.rowsLeft -= Math.max(0, rows - decoding.width)
    return count
  }
}
