import type { ErrorCode } from '../error-codes.js'
import type { Automaton, Vocabulary } from '../grammar/index.js'
import type { SamplingParameters } from './sampling-parameters.js'

/**
 * The engine's whole interface: plain data in, plain data out, so that it may live in the caller's thread or in a
 * worker. Iterators and AbortSignals belong to the client's side.
 */
export type EngineCommand =
  | { readonly type: 'add'; readonly request: EngineRequest }
  /** Frees the request's blocks before the next step; answered by `finish` with reason `cancelled`. */
  | { readonly type: 'cancel'; readonly id: string }
  /** Once, before the first request with an `outputGrammar`: what the tokens are in text. */
  | { readonly type: 'vocabulary'; readonly vocabulary: Vocabulary }
  /** Gives a session's blocks back. */
  | { readonly type: 'end-session'; readonly session: string }
  /** Ends a choice that the client's side saw stop (a stop string): no further tokens of it come. */
  | { readonly type: 'stop-choice'; readonly id: string; readonly index: number }

export interface EngineRequest {
  readonly id: string
  /** Token ids, at least one; -1 takes the next row of `softRows`. */
  readonly prompt: readonly number[]
  /** Soft-prompt embeddings, [rows, embedding width]. */
  readonly softRows?: Float32Array
  readonly parameters: SamplingParameters
  /** Keeps the cache of prompt and output under this name; a later request that begins with the same ids continues on it. */
  readonly session?: string
  /** What the output's text must be. A choice ends with `stop` once its text is complete and nothing can follow. */
  readonly outputGrammar?: OutputGrammar | undefined
}

export interface OutputGrammar {
  readonly automaton: Automaton
  /** The text begins where decoders drop a first space. */
  readonly afterSpace: boolean
}

export type EngineEvent =
  | TokensEvent
  /** After the prompt's last token is computed: what was asked for about the prompt. */
  | PromptEvent
  | FinishEvent
  | FailureEvent

export interface TokensEvent {
  readonly type: 'tokens'
  readonly id: string
  /** Which sample or, at the end of a beam search, which hypothesis (best first). */
  readonly index: number
  readonly ids: readonly number[]
  readonly logprobs?: readonly TokenLogprob[]
  /** Sum of the output's log-probabilities so far; only if log-probabilities were asked for. */
  readonly cumulativeLogprob?: number
}

export interface TokenLogprob {
  readonly id: number
  /** Natural logarithm, of the model's own distribution (before penalties and temperature). */
  readonly logprob: number
  /** 1 for the likeliest token. */
  readonly rank: number
  readonly top: readonly { readonly id: number; readonly logprob: number }[]
}

export interface PromptEvent {
  readonly type: 'prompt'
  readonly id: string
  /** One for each prompt token; the first has none. */
  readonly logprobs?: readonly (TokenLogprob | undefined)[]
  /** [prompt tokens, hidden] */
  readonly hiddenStates?: Float32Array
}

/** `length`: at maxTokens, at the end of the context, or where bans (repeated n-grams, say) leave no token to choose. */
export type EngineFinishReason = 'stop' | 'length' | 'cancelled'

/** One for each choice; `last` on the request's last event. */
export interface FinishEvent {
  readonly type: 'finish'
  readonly id: string
  readonly index: number
  readonly reason: EngineFinishReason
  /** The token that stopped it, if one did. */
  readonly stopId?: number
  /** Beam search: the hypothesis' score. */
  readonly score?: number
  readonly last: boolean
  readonly usage: EngineUsage
}

export interface EngineUsage {
  readonly promptTokens: number
  /** Of all choices so far. */
  readonly completionTokens: number
  /** Prompt tokens found in the cache. */
  readonly cachedTokens: number
  /** Milliseconds since the request was added: when it was first scheduled, and when its prompt was done. */
  readonly queuedMs: number
  readonly promptMs: number
  readonly preemptions: number
}

/** The request ended without a result. `code` and `message` are a WarplineError's. */
export interface FailureEvent {
  readonly type: 'failure'
  readonly id: string
  readonly code: ErrorCode
  readonly message: string
}
