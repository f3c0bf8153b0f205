import type { SamplingRow, StepInputs, StepOutputs } from '../program/step.js'
import type { BlockTable } from './block-table.js'
import type { Plan, Work, WorkResults } from './plan.js'
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

/** A step, and where each piece's rows and hidden states end among all of the step's. */
export interface BuiltStep {
  /** Valid until the next step is built. */
  readonly inputs: StepInputs
  readonly tokens: number
  readonly rowEnds: readonly number[]
  readonly hiddenEnds: readonly number[]
}

/** What a row of block tables was last filled with. */
interface Filled {
  table: BlockTable | undefined
  revision: number
  length: number
}

/**
 * Writes a plan into the arrays of a step, which are allocated once: its inputs are valid until the next step is built.
 * Block tables are only brought up to date: a sequence that keeps its place from step to step costs nothing
 * until it gets a new block.
 */
export class StepBuilder {
  private readonly ids: Int32Array
  private readonly idsFrom: Int32Array
  private readonly positions: Int32Array
  private readonly slots: Int32Array
  private readonly rotary: Int32Array | undefined
  private readonly queryStarts: Int32Array
  private readonly contextLengths: Int32Array
  private readonly tables: Int32Array
  private readonly filled: Filled[]
  private readonly rows: Int32Array
  private soft: Float32Array | undefined

  constructor(private readonly shape: StepShape) {
    const { maxTokens, maxSequences, maxRows, tableWidth } = shape
    this.ids = new Int32Array(maxTokens)
    this.idsFrom = new Int32Array(maxTokens)
    this.positions = new Int32Array(maxTokens)
    this.slots = new Int32Array(maxTokens)
    this.rotary = shape.rotaryLengths ? new Int32Array(maxTokens) : undefined
    this.queryStarts = new Int32Array(maxSequences + 1)
    this.contextLengths = new Int32Array(maxSequences)
    this.tables = new Int32Array(maxSequences * tableWidth)
    this.filled = Array.from({ length: maxSequences }, () => ({ table: undefined, revision: 0, length: 0 }))
    this.rows = new Int32Array(maxRows)
  }

  build({ work, copies }: Plan): BuiltStep {
    const sampling: SamplingRow[] = []
    const hiddenOf: number[] = []
    const rowEnds: number[] = []
    const hiddenEnds: number[] = []
    let tokens = 0
    let someUnknown = false
    for (const [i, piece] of work.entries()) {
      this.fillTokens(piece, tokens)
      if (this.fillUnknown(piece, tokens)) someUnknown = true
      this.fillTable(piece.sequence.table, i)
      this.askAboutPrompt(piece, tokens, sampling, hiddenOf)
      tokens += piece.count
      if (piece.final) {
        piece.sequence.row = sampling.length
        this.pushRows(piece.request.decoding.rows(piece.sequence), tokens - 1, sampling)
      }
      this.queryStarts[i + 1] = tokens
      this.contextLengths[i] = piece.first + piece.count
      rowEnds.push(sampling.length)
      hiddenEnds.push(hiddenOf.length)
    }
    const softRows = this.fillSoftRows(work)
    const inputs = {
      ids: this.ids.subarray(0, tokens),
      ...(someUnknown && { idsFrom: this.idsFrom.subarray(0, tokens) }),
      positions: this.positions.subarray(0, tokens),
      slots: this.slots.subarray(0, tokens),
      ...(this.rotary && { rotaryLengths: this.rotary.subarray(0, tokens) }),
      queryStarts: this.queryStarts.subarray(0, work.length + 1),
      contextLengths: this.contextLengths.subarray(0, work.length),
      blockTables: this.tables.subarray(0, work.length * this.shape.tableWidth),
      rows: this.rows.subarray(0, sampling.length),
      copies: Int32Array.from(copies),
      ...(softRows && { softRows: softRows.subarray(0, tokens * this.shape.embeddingWidth) }),
      sampling,
      ...(hiddenOf.length > 0 && { hiddenOf: Int32Array.from(hiddenOf) }),
    }
    return { inputs, tokens, rowEnds, hiddenEnds }
  }

  private fillTokens({ request, sequence, first, count }: Work, offset: number): void {
    const { blockSize } = this.shape
    const { blocks } = sequence.table
    for (let i = 0; i < count; i++) {
      const position = first + i
      this.ids[offset + i] = sequence.tokenAt(position)
      this.positions[offset + i] = position
      this.slots[offset + i] = blocks[Math.floor(position / blockSize)]! * blockSize + (position % blockSize)
      if (this.rotary) this.rotary[offset + i] = Math.max(request.prompt.length, position + 1)
    }
  }

  /** Only the last of a piece's tokens can be one that the step before is still choosing; true if it is. */
  private fillUnknown({ sequence, first, count }: Work, offset: number): boolean {
    this.idsFrom.fill(-1, offset, offset + count)
    if (first + count <= sequence.known) return false
    this.ids[offset + count - 1] = 0
    this.idsFrom[offset + count - 1] = sequence.row
    return true
  }

  private fillTable(table: BlockTable, row: number): void {
    const filled = this.filled[row]!
    const start = row * this.shape.tableWidth
    const current = filled.table === table && filled.revision === table.revision
    const from = current ? filled.length : 0
    if (from < table.length) this.tables.set(table.blocks.subarray(from, table.length), start + from)
    if (filled.length > table.length) this.tables.fill(0, start + table.length, start + filled.length)
    filled.table = table
    filled.revision = table.revision
    filled.length = table.length
  }

  private askAboutPrompt({ request, first, count }: Work, offset: number, sampling: SamplingRow[], hiddenOf: number[]) {
    const { report } = request
    if (report.complete || !report.wantsAll) return
    for (let i = 0; i < count; i++) {
      if (report.scores(first + i)) this.pushRows([report.row(first + i)], offset + i, sampling)
      if (report.wantsHiddenOf(first + i)) hiddenOf.push(offset + i)
    }
  }

  private pushRows(rows: readonly SamplingRow[], token: number, sampling: SamplingRow[]): void {
    for (const row of rows) this.rows[sampling.push(row) - 1] = token
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
        if (this.ids[token]! < 0) this.soft.set(request.prompt.softRow(first + i), token * embeddingWidth)
      }
    }
    return this.soft
  }
}

/** What came back for the step's piece of work number `piece`. */
export function resultsOf({ rowEnds, hiddenEnds }: BuiltStep, outputs: StepOutputs, piece: number): WorkResults {
  const rows = outputs.sampled.slice(rowEnds[piece - 1] ?? 0, rowEnds[piece])
  const firstState = hiddenEnds[piece - 1] ?? 0
  const states = hiddenEnds[piece]! - firstState
  if (states === 0) return { rows, hidden: [] }
  const width = outputs.hidden!.length / hiddenEnds.at(-1)!
  const stateAt = (i: number) => outputs.hidden!.subarray(i * width, (i + 1) * width)
  return { rows, hidden: Array.from({ length: states }, (_, i) => stateAt(firstState + i)) }
}
