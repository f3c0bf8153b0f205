import type { SamplingRow } from '../program/step.js'
import { beamCandidates } from './beam-search.js'
import type { SamplingParameters } from './sampling-parameters.js'

/** What a row needs to know of its sequence. */
export interface SequenceState {
  /** Prompt and output so far; -1 for a soft prompt's rows. */
  readonly history: Int32Array
  readonly promptLength: number
  readonly outputLength: number
  /** Which of the request's samples this is. */
  readonly sampleIndex: number
  /** This step's top-p: the parameters' at first, then `nextTopP` after each output token. */
  readonly topP: number
  /** The mask of a grammar, if the request has one. */
  readonly allowed?: Uint32Array | undefined
}

/** How the token after `state.history` is chosen: a draw, or a beam's candidates where the request is a beam search. */
export function samplingRow(parameters: SamplingParameters, state: SequenceState): SamplingRow {
  const { row, needsHistory, bannedEarly } = commonOf(parameters)
  return {
    ...row,
    topP: state.topP,
    history: needsHistory ? state.history : row.history,
    promptLength: needsHistory ? state.promptLength : 0,
    banned: state.outputLength < parameters.minTokens ? bannedEarly : row.banned,
    position: state.history.length,
    sampleIndex: state.sampleIndex,
    ...(state.allowed && { allowed: state.allowed }),
  }
}

/** What the rows of all of a request's tokens have in common. */
interface Common {
  readonly row: SamplingRow
  readonly needsHistory: boolean
  /** Before the minimum length. */
  readonly bannedEarly: Int32Array
}

/** Made once a request: a row is needed for every token. */
const commons = new WeakMap<SamplingParameters, Common>()

function commonOf(parameters: SamplingParameters): Common {
  const known = commons.get(parameters)
  if (known) return known
  const common = makeCommon(parameters)
  commons.set(parameters, common)
  return common
}

function makeCommon(parameters: SamplingParameters): Common {
  const isBeam = parameters.numBeams > 1
  const badWords = effectiveBadWords(parameters)
  const row: SamplingRow = {
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
    badWords,
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
  const needsHistory =
    parameters.repetitionPenalty !== 1 ||
    parameters.presencePenalty !== 0 ||
    parameters.frequencyPenalty !== 0 ||
    parameters.noRepeatNgramSize > 0 ||
    badWords.some((word) => word.length > 1)
  return { row, needsHistory, bannedEarly: Int32Array.from([...parameters.suppressIds, ...parameters.stopIds]) }
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
  if (parameters.topPResetIds.includes(token)) return parameters.topP
  return Math.max(topP * parameters.topPDecay, parameters.topPMin)
}

/** An end token alone is no bad word, as in transformers: lists of words often bring it along. */
function effectiveBadWords({ badWordsIds, stopIds }: SamplingParameters): readonly (readonly number[])[] {
  return badWordsIds.filter((word) => word.length > 1 || !stopIds.includes(word[0]!))
}
