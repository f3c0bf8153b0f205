/**
 * How one request is decoded: every field set, token ids only. The library and the server resolve users' options, the
 * checkpoint's defaults and texts (stop strings, bad words) to this.
 */
export interface SamplingParameters {
  /** 0 only scores the prompt: the request finishes after it, with reason `length`. */
  readonly maxTokens: number
  /** End tokens are banned before this many output tokens. */
  readonly minTokens: number
  /** 0 is greedy. */
  readonly temperature: number
  readonly topK: number
  readonly topP: number
  /** After each output token topP is multiplied by this, down to the minimum (FasterTransformer's top_p_decay). */
  readonly topPDecay: number
  readonly topPMin: number
  /** When one of these is produced topP starts again from its first value. */
  readonly topPResetIds: readonly number[]
  readonly minP: number
  readonly repetitionPenalty: number
  readonly presencePenalty: number
  readonly frequencyPenalty: number
  readonly noRepeatNgramSize: number
  readonly logitBias: ReadonlyMap<number, number>
  readonly badWordsIds: readonly (readonly number[])[]
  /** Never chosen (suppress_tokens). */
  readonly suppressIds: readonly number[]
  /** Any of these ends a sequence (finish reason `stop`); it stands last in the output's ids. */
  readonly stopIds: readonly number[]
  /** Unsigned 64 bits. */
  readonly seed: bigint
  /** Independent samples of one prompt. */
  readonly n: number
  /** 1: no beam search. */
  readonly numBeams: number
  /** Hypotheses that beam search returns; at most numBeams. */
  readonly numReturn: number
  /** A hypothesis' score is its log-probability / length ** lengthPenalty. */
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  /** Diverse beam search (Vijayakumar et al. 2016): groups of numBeams / numBeamGroups beams. */
  readonly numBeamGroups: number
  readonly diversityPenalty: number
  /** -1: none; otherwise the chosen token's log-probability and this many of the likeliest. */
  readonly logprobs: number
  /** The same for the prompt's tokens. */
  readonly promptLogprobs: number
  /** Final hidden states of the prompt's tokens. */
  readonly hiddenStates: boolean
}

/** Everything off: greedy, 16 tokens, no end tokens. */
export const DEFAULT_SAMPLING: SamplingParameters = {
  maxTokens: 16,
  minTokens: 0,
  temperature: 0,
  topK: 0,
  topP: 1,
  topPDecay: 1,
  topPMin: 0,
  topPResetIds: [],
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  noRepeatNgramSize: 0,
  logitBias: new Map(),
  badWordsIds: [],
  suppressIds: [],
  stopIds: [],
  seed: 0n,
  n: 1,
  numBeams: 1,
  numReturn: 1,
  lengthPenalty: 1,
  earlyStopping: false,
  numBeamGroups: 1,
  diversityPenalty: 0,
  logprobs: -1,
  promptLogprobs: -1,
  hiddenStates: false,
}
