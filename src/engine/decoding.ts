import type { SampledRow, SamplingRow } from '../program/step.js'
import type { Sequence } from './sequence.js'

/** How a request's tokens are chosen: independent samples or a beam search. It owns the request's sequences. */
export interface Decoding {
  /** Those that want more tokens. The first leads: it computes the prompt, and the others begin on its blocks. */
  readonly sequences: readonly Sequence[]
  /** Sequences that run side by side at most. */
  readonly width: number
  /** Whether tokens have been chosen: until then there is one sequence, the prompt. */
  readonly started: boolean
  /** Whether all sequences choose in the same step. */
  readonly lockstep: boolean
  /** Rows that each sequence's last known token feeds. */
  readonly rowsEach: number
  /** Appends those rows to a step's. They are good for that step: for the next they may be written anew. */
  ask(sequence: Sequence, rows: SamplingRow[]): void
  /** Takes what became of them, from place `first` of a step's rows on; the one place where tokens are appended. */
  accept(sequence: Sequence, rows: readonly SampledRow[], first: number): void
  /** Ends one choice as if an end token had come. */
  stop(index: number): void
  /** Ends all that is open. */
  cancel(): void
  /** Ends everything without a word, after a failure. */
  abandon(): void
}

/** What a decoding may ask of the cache. */
export interface CacheHandle {
  /** A second sequence of the same tokens, on the same blocks. */
  fork(sequence: Sequence): Sequence
  /** Begins an empty sequence on the blocks of another one's first `tokens` tokens, which both have. */
  share(from: Sequence, to: Sequence, tokens: number): void
  /** A sequence wants no more tokens; its first `kept` may stay in the cache for the session. */
  retire(sequence: Sequence, kept: number): void
}
