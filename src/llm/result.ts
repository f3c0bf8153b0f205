import type { ToolCall, ToolCallDelta } from './chat-types.js'

/** `tool_calls`: it ended as with `stop`, and calls tools. */
export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'cancelled'

/** A token and how likely the model itself (before penalties and temperature) found it. */
export interface TokenLogprob {
  readonly tokenId: number
  readonly token: string
  /** Natural logarithm. */
  readonly logprob: number
  /** 1 for the likeliest. */
  readonly rank: number
  /** The likeliest tokens, best first, as many as asked for. */
  readonly top: readonly { readonly tokenId: number; readonly token: string; readonly logprob: number }[]
}

export interface Choice {
  readonly index: number
  /** Of a chat: the answer, without reasoning and calls. */
  readonly text: string
  /** What the model thought before it answered, where its template has that. */
  readonly reasoning?: string
  /** With tools: what it calls; none where it only answers. */
  readonly toolCalls?: readonly ToolCall[]
  /** New tokens; an end token that stopped the choice stands last. */
  readonly tokenIds: readonly number[]
  readonly finishReason: FinishReason
  readonly logprobs?: readonly TokenLogprob[]
  /** Sum of the log-probabilities of `tokenIds`. */
  readonly cumulativeLogprob?: number
  /** Beam search: the hypothesis' score. */
  readonly score?: number
}

export interface Usage {
  readonly promptTokens: number
  /** Of all choices. */
  readonly completionTokens: number
  readonly totalTokens: number
  /** Prompt tokens that a session's cache already held. */
  readonly cachedTokens: number
}

/** Milliseconds and rates. */
export interface Timing {
  readonly queuedMs: number
  /** From the call to the first new token. */
  readonly timeToFirstTokenMs: number
  readonly totalMs: number
  readonly promptTokensPerSecond: number
  /** New tokens after the first, by the time after the first. */
  readonly tokensPerSecond: number
}

/** What a prompt came to. */
export interface Result {
  /** The first choice's text. */
  readonly text: string
  readonly choices: readonly Choice[]
  readonly usage: Usage
  readonly timing: Timing
  /** One for each prompt token, undefined for the first. */
  readonly promptLogprobs?: readonly (TokenLogprob | undefined)[]
  /** [prompt tokens][hidden] */
  readonly hiddenStates?: readonly Float32Array[]
}

/** A piece of a stream. */
export interface Part {
  /** Which prompt of the call. */
  readonly prompt: number
  /** Which choice of the prompt. */
  readonly index: number
  readonly text: string
  readonly reasoning?: string
  readonly toolCalls?: readonly ToolCallDelta[]
  readonly tokenIds: readonly number[]
  readonly logprobs?: readonly TokenLogprob[]
  /** On the choice's last part. */
  readonly finishReason?: FinishReason
}

/** How likely a model finds a text. */
export interface Score {
  /** Tokens that were predicted: all but the first. */
  readonly tokens: number
  /** Sum of natural logarithms. */
  readonly logLikelihood: number
  readonly meanNegativeLogLikelihood: number
  readonly perplexity: number
  readonly logprobs: readonly TokenLogprob[]
}
