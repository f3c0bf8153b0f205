import type { SamplingRow, StepInputs } from '../../src/program/step.js'

/** Greedy, nothing reported. */
export const GREEDY_ROW: SamplingRow = {
  mode: 'draw',
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  history: new Int32Array(0),
  promptLength: 0,
  biasIds: new Int32Array(0),
  biasValues: new Float32Array(0),
  banned: new Int32Array(0),
  badWords: [],
  noRepeatNgram: 0,
  seedLow: 0,
  seedHigh: 0,
  position: 0,
  sampleIndex: 0,
  candidates: 0,
  topLogprobs: 0,
  logprobs: false,
  target: 0,
}

/** A sequence's part in one step. */
export interface SequencePart {
  readonly ids: readonly number[]
  /** Tokens that its cache holds before the step. */
  readonly cached: number
  readonly blocks: readonly number[]
  /** What dynamic rotary scaling goes by; the length after the step unless given. */
  readonly promptLength?: number
}

export interface StepOptions {
  readonly blockSize: number
  /** Which tokens' logits are wanted: every one, each sequence's last (default), or these. */
  readonly rows?: 'all' | 'last' | readonly number[]
  readonly copies?: readonly number[]
  readonly softRows?: Float32Array
  readonly sampling?: (row: number) => SamplingRow
  /** What the step returns besides tokens; both by default. */
  readonly want?: 'hidden' | 'logits' | 'both'
}

/** The inputs of a step that also asks for all hidden states and for the logits. */
export function stepInputs(parts: readonly SequencePart[], options: StepOptions): StepInputs {
  const { blockSize, copies = [], softRows, sampling = () => GREEDY_ROW, want = 'both' } = options
  const queryStarts = [0]
  for (const { ids } of parts) queryStarts.push(queryStarts.at(-1)! + ids.length)
  const tokens = queryStarts.at(-1)!
  const positions = parts.flatMap(({ ids, cached }) => ids.map((_, i) => cached + i))
  const slots = parts.flatMap(({ ids, cached, blocks }) =>
    ids.map((_, i) => blocks[Math.floor((cached + i) / blockSize)]! * blockSize + ((cached + i) % blockSize)),
  )
  const width = Math.max(...parts.map(({ blocks }) => blocks.length))
  const rows = chooseRows(options.rows ?? 'last', queryStarts)
  return {
    ids: Int32Array.from(parts.flatMap(({ ids }) => ids)),
    positions: Int32Array.from(positions),
    rotaryLengths: Int32Array.from(
      parts.flatMap(({ ids, cached, promptLength = 0 }) => ids.map((_, i) => Math.max(promptLength, cached + i + 1))),
    ),
    slots: Int32Array.from(slots),
    queryStarts: Int32Array.from(queryStarts),
    contextLengths: Int32Array.from(parts.map(({ ids, cached }) => cached + ids.length)),
    blockTables: Int32Array.from(
      parts.flatMap(({ blocks }) => [...blocks, ...new Array<number>(width - blocks.length).fill(0)]),
    ),
    rows: Int32Array.from(rows),
    copies: Int32Array.from(copies),
    ...(softRows && { softRows }),
    sampling: rows.map((_, row) => sampling(row)),
    ...(want !== 'logits' && { hiddenOf: Int32Array.from({ length: tokens }, (_, t) => t) }),
    wantLogits: want !== 'hidden',
  }
}

function chooseRows(rows: 'all' | 'last' | readonly number[], queryStarts: readonly number[]): readonly number[] {
  if (rows === 'all') return Array.from({ length: queryStarts.at(-1)! }, (_, t) => t)
  if (rows === 'last') return queryStarts.slice(1).map((end) => end - 1)
  return rows
}
