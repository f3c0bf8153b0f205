import type { SamplingRow, StepInputs, StepOutputs } from '../program/step.js'
import type { BlockTable } from './block-table.js'
import type { Plan, StepResults, Work } from './plan.js'
import { Reused } from './reused.js'
import type { StepLimits } from './scheduler.js'

export interface StepShape extends StepLimits {
  readonly blockSize: number
  /** Blocks that the longest sequence fills. */
  readonly tableWidth: number
  /** Values in a soft prompt's row. */
  readonly embeddingWidth: number
  /** Whether the program asks for the length that each token is rotated for. */
  readonly rotaryLengths: boolean
}

/** What a row of block tables was last filled with. */
interface Filled {
  table: BlockTable | undefined
  revision: number
  length: number
}

const NO_COPIES = new Int32Array(0)

/**
 * Writes a plan into the arrays of a step, which are allocated once: the inputs are valid until the next step is built.
 * Block tables are only brought up to date: a sequence that keeps its place from step to step costs nothing until it
 * gets a new block.
 */
export class StepBuilder {
  private readonly ids: Reused
  private readonly idsFrom: Reused
  private readonly positions: Reused
  private readonly slots: Reused
  private readonly rotary: Reused | undefined
  private readonly queryStarts: Reused
  private readonly contextLengths: Reused
  private readonly tables: Reused
  private readonly filled: Filled[]
  private readonly rows: Reused
  private soft: Float32Array | undefined

  constructor(private readonly shape: StepShape) {
    const { maxTokens, maxSequences, maxRows, tableWidth } = shape
    this.ids = new Reused(maxTokens)
    this.idsFrom = new Reused(maxTokens)
    this.positions = new Reused(maxTokens)
    this.slots = new Reused(maxTokens)
    this.rotary = shape.rotaryLengths ? new Reused(maxTokens) : undefined
    this.queryStarts = new Reused(maxSequences + 1)
    this.contextLengths = new Reused(maxSequences)
    this.tables = new Reused(maxSequences * tableWidth)
    this.filled = Array.from({ length: maxSequences }, () => ({ table: undefined, revision: 0, length: 0 }))
    this.rows = new Reused(maxRows)
  }

  build({ work, copies }: Plan): StepInputs {
    const sampling: SamplingRow[] = []
    const hiddenOf: number[] = []
    let tokens = 0
    let someUnknown = false
    for (let i = 0; i < work.length; i++) {
      const piece = work[i]!
      this.fillTokens(piece, tokens)
      if (this.fillUnknown(piece, tokens)) someUnknown = true
      this.fillTable(piece.sequence.table, i)
      this.ask(piece, tokens, sampling, hiddenOf)
      tokens += piece.count
      this.queryStarts.all[i + 1] = tokens
      this.contextLengths.all[i] = piece.first + piece.count
    }
    const softRows = this.fillSoftRows(work)
    return {
      ids: this.ids.first(tokens),
      idsFrom: someUnknown ? this.idsFrom.first(tokens) : undefined,
      positions: this.positions.first(tokens),
      rotaryLengths: this.rotary?.first(tokens),
      slots: this.slots.first(tokens),
      queryStarts: this.queryStarts.first(work.length + 1),
      contextLengths: this.contextLengths.first(work.length),
      blockTables: this.tables.first(work.length * this.shape.tableWidth),
      rows: this.rows.first(sampling.length),
      copies: copies.length > 0 ? Int32Array.from(copies) : NO_COPIES,
      softRows: softRows?.subarray(0, tokens * this.shape.embeddingWidth),
      sampling,
      hiddenOf: hiddenOf.length > 0 ? Int32Array.from(hiddenOf) : undefined,
    }
  }

  private fillTokens({ request, sequence, first, count }: Work, offset: number): void {
    const { blockSize } = this.shape
    const { blocks } = sequence.table
    for (let i = 0; i < count; i++) {
      const position = first + i
      this.ids.all[offset + i] = sequence.tokenAt(position)
      this.positions.all[offset + i] = position
      this.slots.all[offset + i] = blocks[Math.floor(position / blockSize)]! * blockSize + (position % blockSize)
      if (this.rotary) this.rotary.all[offset + i] = Math.max(request.prompt.length, position + 1)
    }
  }

  /** Only the last of a piece's tokens can be one that the step before is still choosing; true if it is. */
  private fillUnknown({ sequence, first, count }: Work, offset: number): boolean {
    this.idsFrom.all.fill(-1, offset, offset + count)
    if (first + count <= sequence.known) return false
    this.ids.all[offset + count - 1] = 0
    this.idsFrom.all[offset + count - 1] = sequence.expectedFrom
    return true
  }

  private fillTable(table: BlockTable, row: number): void {
    const filled = this.filled[row]!
    const start = row * this.shape.tableWidth
    const current = filled.table === table && filled.revision === table.revision
    const from = current ? filled.length : 0
    for (let i = from; i < table.length; i++) this.tables.all[start + i] = table.blocks[i]!
    if (filled.length > table.length) this.tables.all.fill(0, start + table.length, start + filled.length)
    filled.table = table
    filled.revision = table.revision
    filled.length = table.length
  }

  /** Rows and hidden states of the piece whose first token is the step's token number `offset`. */
  private ask(piece: Work, offset: number, sampling: SamplingRow[], hiddenOf: number[]): void {
    const { request, sequence, first, count, final } = piece
    const { report } = request
    piece.firstRow = sampling.length
    piece.firstState = hiddenOf.length
    for (let i = 0; report.gathering && i < count; i++) {
      if (report.scores(first + i)) this.rows.all[sampling.push(report.row(first + i)) - 1] = offset + i
      if (report.wantsHiddenOf(first + i)) hiddenOf.push(offset + i)
    }
    if (final) {
      sequence.expectedFrom = sampling.length
      request.decoding.ask(sequence, sampling)
      this.rows.all.fill(offset + count - 1, sequence.expectedFrom, sampling.length)
    }
    piece.rowCount = sampling.length - piece.firstRow
  }

  /** Undefined where no token needs one. */
  private fillSoftRows(work: readonly Work[]): Float32Array | undefined {
    if (!work.some(({ request, first }) => request.prompt.hasSoftRows && first < request.prompt.length))
      return undefined
    const { embeddingWidth, maxTokens } = this.shape
    this.soft ??= new Float32Array(maxTokens * embeddingWidth)
    let token = 0
    for (const { request, first, count } of work) {
      for (let i = 0; i < count; i++, token++) {
        if (this.ids.all[token]! < 0) this.soft.set(request.prompt.softRow(first + i), token * embeddingWidth)
      }
    }
    return this.soft
  }
}

/** `states`: hidden states that were asked for. */
export function resultsOf({ sampled, hidden }: StepOutputs, states: number): StepResults {
  const width = hidden ? hidden.length / states : 0
  return { sampled, stateAt: (place) => hidden!.subarray(place * width, (place + 1) * width) }
}
