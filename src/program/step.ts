/**
 * What the host hands to an executor for one step, and what comes back. Everything is plain data, so that it may cross
 * a thread. Array lengths are those of the program's input buffers of the same name.
 */
export interface StepInputs {
  /** Token ids; -1 where `softRows` stands in. */
  readonly ids: Int32Array
  readonly positions: Int32Array
  /** Dynamic rotary scaling only: the length each token is rotated for, max(prompt length, position + 1). */
  readonly rotaryLengths?: Int32Array
  /** Cache slot of each token: block * blockSize + offset. */
  readonly slots: Int32Array
  /** First query token of each sequence, and the total at the end: [sequences + 1]. */
  readonly queryStarts: Int32Array
  /** Tokens in the cache of each sequence after this step. */
  readonly contextLengths: Int32Array
  /** Block numbers, [sequences, width] row by row; unused places hold 0. */
  readonly blockTables: Int32Array
  /** Tokens whose logits are wanted, ascending; one stands here as often as samples of it are drawn. */
  readonly rows: Int32Array
  /** Blocks to copy first: from, to, from, to, ...; no block is in two pairs, but several may have one `from`. */
  readonly copies: Int32Array
  /** [tokens, hidden], read where ids are -1. */
  readonly softRows?: Float32Array
  /** One for each of `rows`. */
  readonly sampling: readonly SamplingRow[]
  /** Tokens whose final hidden states are wanted. */
  readonly hiddenOf?: Int32Array
  /** Also return the logits of all rows. */
  readonly wantLogits?: boolean
}

export interface StepOutputs {
  /** One for each of `rows`. */
  readonly sampled: readonly SampledRow[]
  /** [hiddenOf.length, hidden] */
  readonly hidden?: Float32Array
  /** [rows, vocabulary], raw. */
  readonly logits?: Float32Array
}

/**
 * How a row's logits become tokens. Processing order: repetition, presence and frequency penalty, bias, bans (bad words,
 * repeated n-grams, the minimum length's end tokens, the mask), temperature, top-k, top-p, min-p.
 */
export interface SamplingRow {
  /**
   * `draw`: one token. `beam`: the `candidates` best tokens with processed log-probabilities. `score`: nothing is
   * chosen; only log-probabilities are reported.
   */
  readonly mode: 'draw' | 'beam' | 'score'
  /** 0 is greedy: the largest processed logit, the lowest id on a tie. */
  readonly temperature: number
  /** 0: off. */
  readonly topK: number
  /** 1: off. */
  readonly topP: number
  /** 0: off. */
  readonly minP: number
  /** 1: off. */
  readonly repetitionPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  /** Prompt and output so far; empty where nothing below needs it. */
  readonly history: Int32Array
  /** Where the output begins in `history`. */
  readonly promptLength: number
  /** Added to logits: token ids and what is added. */
  readonly biasIds: Int32Array
  readonly biasValues: Float32Array
  /**
   * A mask over the whole vocabulary, ceil(vocabulary / 32) words: token id may be chosen only where bit (id % 32) of word
   * (id / 32) is set, counted from the lowest. Absent: all may. The same array may stand in several rows and steps; it is never
   * written to. A backend adds -Infinity to the logits of unset bits where the other bans apply: after penalties and bias,
   * before temperature; in beam mode, to the log-probabilities. What is reported of raw logits stays as it is.
   */
  readonly allowed?: Uint32Array
  /** Token ids that must not be chosen at this step. */
  readonly banned: Int32Array
  /** Token sequences that must not be completed. */
  readonly badWords: readonly (readonly number[])[]
  /** 0: off; n: no n-gram of the history occurs twice. */
  readonly noRepeatNgram: number
  /** Philox key (64 bits, low word first) and counter (position, sample index). */
  readonly seedLow: number
  readonly seedHigh: number
  readonly position: number
  readonly sampleIndex: number
  /** Beam mode: how many candidates; at most the vocabulary is returned. */
  readonly candidates: number
  /** How many of the likeliest tokens to report with their raw log-probabilities. */
  readonly topLogprobs: number
  /** Report the raw log-probability of the chosen token (or of `target`). */
  readonly logprobs: boolean
  /** Score mode: the token whose log-probability is asked for. */
  readonly target: number
}

/** Log-probabilities are of the raw logits (before penalties and temperature), except a beam's candidates. */
export interface SampledRow {
  /** The chosen token, -1 in beam and score mode and on failure. */
  readonly token: number
  /**
   * Why there is no token or candidate; all else is empty then. `logits-not-finite`: a raw logit is NaN or Infinity, or
   * all are -Infinity. `nothing-allowed`: bans leave no token, so that the sequence cannot go on.
   */
  readonly failure?: 'logits-not-finite' | 'nothing-allowed'
  /** Raw log-probability of the chosen token or target; NaN where not asked for. */
  readonly logprob: number
  /** Rank of the chosen token or target among the raw logits, 1 for the likeliest; 0 where not asked for. */
  readonly rank: number
  /** The likeliest tokens, best first. */
  readonly topIds: Int32Array
  readonly topLogprobs: Float32Array
  /** Beam mode: the best tokens and their processed log-probabilities, best first. */
  readonly candidateIds: Int32Array
  readonly candidateLogprobs: Float32Array
  /** Beam mode with `logprobs`: the candidates' raw log-probabilities and their ranks. */
  readonly candidateRawLogprobs?: Float32Array
  readonly candidateRanks?: Int32Array
}
