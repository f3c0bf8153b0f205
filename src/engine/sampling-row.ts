import type { SamplingRow } from '../program/step.js'
import { beamCandidates } from './beam-search.js'
import type { SamplingParameters } from './sampling-parameters.js'

/** What a row needs to know of its sequence. */
export interface SequenceState {
  /** Prompt and output so far; -1 for a soft prompt's rows. Not looked at unless `readHistory`. */
  readonly history: Int32Array
  readonly promptLength: number
  readonly outputLength: number
  /** Which of the request's samples this is. */
  readonly sampleIndex: number
  /** This step's top-p: the parameters' at first, then `nextTopP` after each output token. */
  readonly topP: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** The rows of one request: how its tokens are chosen, by draws or, where it is a beam search, among candidates. */
export class SamplingRows {
  /** Whether a row's outcome depends on more than the number of the tokens before it, beside the model's logits. */
  readonly readHistory: boolean
  /** Whether a row cannot be written before the ids of the tokens before it are known. */
  readonly dependOnTokens: boolean
  /** What all rows have in common. */
  private readonly common: SamplingRow
  /** Before the minimum length. */
  private readonly bannedEarly: Int32Array

  constructor(private readonly parameters: SamplingParameters) {
    const { suppressIds, stopIds, topP, topPResetIds } = parameters
    this.common = commonRow(parameters)
    this.bannedEarly = Int32Array.from([...suppressIds, ...stopIds])
    this.readHistory =
      parameters.repetitionPenalty !== 1 ||
      parameters.presencePenalty !== 0 ||
      parameters.frequencyPenalty !== 0 ||
      parameters.noRepeatNgramSize > 0 ||
      this.common.badWords.some((word) => word.length > 1)
    this.dependOnTokens = this.readHistory || (topPResetIds.length > 0 && decayedTopP(topP, parameters) !== topP)
  }

  /** How the token after prompt and output is chosen. */
  row(state: SequenceState): SamplingRow {
    const row = { ...this.common, sampleIndex: state.sampleIndex }
    if (this.readHistory) row.promptLength = state.promptLength
    this.move(row, state.history, state.promptLength + state.outputLength, state.outputLength, state.topP)
    return row
  }

  /** Makes the row of a sequence that of a later token. */
  move(row: SamplingRow, history: Int32Array, position: number, outputLength: number, topP: number): void {
    const moved: Writable<SamplingRow> = row
    if (this.readHistory) moved.history = history
    moved.position = position
    moved.banned = outputLength < this.parameters.minTokens ? this.bannedEarly : this.common.banned
    moved.topP = topP
  }
}

function commonRow(parameters: SamplingParameters): SamplingRow {
  const isBeam = parameters.numBeams > 1
  return {
    mode: isBeam ? 'beam' : 'draw',
    temperature: parameters.temperature,
    topK: parameters.topK,
    topP: parameters.topP,
    minP: parameters.minP,
    repetitionPenalty: parameters.repetitionPenalty,
    presencePenalty: parameters.presencePenalty,
    frequencyPenalty: parameters.frequencyPenalty,
    history: new Int32Array(0),
    promptLength: 0,
    biasIds: Int32Array.from(parameters.logitBias.keys()),
    biasValues: Float32Array.from(parameters.logitBias.values()),
    banned: Int32Array.from(parameters.suppressIds),
    badWords: effectiveBadWords(parameters),
    noRepeatNgram: parameters.noRepeatNgramSize,
    seedLow: Number(parameters.seed & 0xffffffffn),
    seedHigh: Number(parameters.seed >> 32n),
    position: 0,
    sampleIndex: 0,
    candidates: isBeam ? beamCandidates(parameters.numBeams, parameters.stopIds) : 0,
    topLogprobs: Math.max(0, parameters.logprobs),
    logprobs: parameters.logprobs >= 0,
    target: -1,
  }
}

/** Asks for the log-probability and rank of `target`, and for the `topLogprobs` likeliest tokens; chooses nothing. */
export function scoreRow(target: number, topLogprobs: number): SamplingRow {
  return {
    mode: 'score',
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
    topLogprobs,
    logprobs: true,
    target,
  }
}

/**
 * Top-p decay, as FasterTransformer's `top_p_decay`, `top_p_min` and `top_p_reset_ids` (Lee et al. 2022, factual-nucleus
 * sampling): each output token multiplies top-p by the decay, not below the minimum; a reset token restores the first
 * value.
 */
export function nextTopP(topP: number, token: number, parameters: SamplingParameters): number {
  return parameters.topPResetIds.includes(token) ? parameters.topP : decayedTopP(topP, parameters)
}

/** The same after a token of which is only known that it resets nothing. */
export function decayedTopP(topP: number, { topPDecay, topPMin }: SamplingParameters): number {
  return Math.max(topP * topPDecay, topPMin)
}

/** An end token alone is no bad word, as in transformers: lists of words often bring it along. */
function effectiveBadWords({ badWordsIds, stopIds }: SamplingParameters): readonly (readonly number[])[] {
  return badWordsIds.filter((word) => word.length > 1 || !stopIds.includes(word[0]!))
}
