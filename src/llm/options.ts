import type { ReasoningMarks, ToolFormatName } from '../chat/index.js'
import type { ResponseFormat, Tool, ToolChoice } from './chat-types.js'

/** Where weights are stored as; what each device offers is told by `warpline doctor`. */
export type WeightType = 'auto' | 'f32' | 'f16' | 'bf16' | 'int8' | 'int4' | 'fp8'

export interface LoadOptions {
  /** `auto` takes the fastest device that works here. */
  device?: 'auto' | 'cpu' | 'cuda' | 'reference'
  /**
   * Storage of the weights. `auto` gives no accuracy away: a 16-bit checkpoint keeps its own type (unless its config.json
   * says float32), others take the device's most accurate. `int8` and `int4` are quantised while they are read.
   */
  dtype?: WeightType
  /** Storage of keys and values; `auto` is the device's choice. */
  kvDtype?: 'auto' | 'f32' | 'f16' | 'bf16'
  /** Most tokens a sequence may hold; at most (and by default) what the model was made for. */
  contextLength?: number
  /** Bytes for the K/V cache; by default what the running requests can use, within half of what is free. */
  cacheBytes?: number
  /** Sequences that may run at once; further ones wait. Default 64. */
  maxSequences?: number
  /** Tokens computed in one step; long prompts are cut into chunks of this. The default is the device's. */
  maxBatchTokens?: number
  /** CPU threads; by default one a physical core. */
  threads?: number
  /** A branch, tag or commit, for names on the Hugging Face hub. */
  revision?: string
  /** Never use the network: local folders and the hub's cache only. */
  offline?: boolean
  /** Called while a model is downloaded (`pull`) and read (`load`). */
  onProgress?: (progress: LoadProgress) => void
  /** Aborts loading. */
  signal?: AbortSignal
}

export interface LoadProgress {
  readonly stage: 'pull' | 'load'
  readonly done: number
  readonly total: number
}

/**
 * How to decode. Names and meanings are OpenAI's where it has them, in camelCase. What is absent comes from the
 * checkpoint's `generation_config.json`, then from the defaults named here.
 */
export interface GenerateOptions {
  /** New tokens at most, at least 1. Default 256; always within the context. */
  maxTokens?: number
  /** End tokens are impossible before this many new tokens. Default 0. */
  minTokens?: number
  /** Do not stop at end tokens. Default false. */
  ignoreEos?: boolean
  /** 0 is greedy, and the default. Giving topK, topP, minP or n > 1 without a temperature makes it 1. */
  temperature?: number
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK?: number
  /** Keep the likeliest tokens that together reach this probability [0, 1]; at least one. */
  topP?: number
  /** topP is multiplied by this after each token (0, 1]. */
  topPDecay?: number
  /** Where the decay of topP ends. */
  topPMin?: number
  /** Tokens that set topP back to its first value. */
  topPResetIds?: readonly number[]
  /** Keep tokens at least this fraction as likely as the likeliest [0, 1]. */
  minP?: number
  /** Divides the logits of tokens in the prompt or output if positive, multiplies if negative; 1 is off. */
  repetitionPenalty?: number
  /** Subtracted from the logit of every token already in the output, [-2, 2]. */
  presencePenalty?: number
  /** Subtracted once for each time a token stands in the output, [-2, 2]. */
  frequencyPenalty?: number
  /** No n-gram of this size occurs twice; 0 is off. */
  noRepeatNgramSize?: number
  /** Token id -> added to its logit. */
  logitBias?: Readonly<Record<number, number>>
  /** Texts that end the output; they are not part of it. */
  stop?: string | readonly string[]
  /** Tokens that end the output, besides the model's own. */
  stopTokenIds?: readonly number[]
  /** Texts that must not appear, as the tokenizer spells them, with and without a space before. */
  badWords?: readonly string[]
  /** Token sequences that must not appear. */
  badWordsIds?: readonly (readonly number[])[]
  /** An integer in [0, 2^64): same seed, same text, whatever runs beside it. Default: a random one. */
  seed?: number | bigint
  /** Choices for each prompt: independent samples, or the n best hypotheses of a beam search. Default 1. */
  n?: number
  /** Beam search of this width; 1 is off. */
  numBeams?: number
  /** A hypothesis' score is its log-probability / length ** lengthPenalty. Default 1. */
  lengthPenalty?: number
  /** When a beam search ends: at numBeams hypotheses (true), when no better is likely (false), or possible ('never'). */
  earlyStopping?: boolean | 'never'
  /** Diverse beam search: groups that avoid each other's tokens; divides numBeams. */
  numBeamGroups?: number
  /** Subtracted from a token's score for each earlier group that takes it at the same step. */
  diversityPenalty?: number
  /** Report each chosen token's log-probability, and those of this many of the likeliest (true: 0). */
  logprobs?: number | boolean
  /** The same for the prompt's tokens. */
  promptLogprobs?: number | boolean
  /** Return the final hidden states of the prompt's tokens. */
  hiddenStates?: boolean
  /** Embeddings that stand before the prompt, row by row, each as wide as the model's token embedding. */
  softPrompt?: readonly (readonly number[] | Float32Array)[]
  /** Keep the cache of this text under a name: a later prompt that begins with it continues at once. */
  session?: string
  /** What to do with a prompt that is too long; by default an error. 'left' drops its beginning. */
  truncate?: 'left'
  /** Leave special tokens out of the text. Default true. */
  skipSpecialTokens?: boolean
  /** Add the tokenizer's own special tokens (BOS, say) to a text prompt. Default true; chats have their template's. */
  addSpecialTokens?: boolean
  /**
   * The output is JSON, by a schema or any object. Where a choice ends with finishReason 'stop', its text parses and satisfies
   * the schema; 'length' says that it was cut off. At most one of this and the three below. See docs/structured-output.md.
   */
  responseFormat?: ResponseFormat
  /** The output matches this regular expression as a whole. */
  guidedRegex?: string
  /** The output is one of these texts. */
  guidedChoice?: readonly string[]
  /** The output is a text of this grammar, written as llama.cpp's GBNF; it begins with the rule `root`. */
  guidedGrammar?: string
  /** Cancels the request; its choices end with finishReason 'cancelled'. */
  signal?: AbortSignal
}

export interface ChatOptions extends GenerateOptions {
  /** Functions the model may call, as the chat template shows them. */
  tools?: readonly Tool[]
  /** Whether it calls them. Default 'auto' with tools. 'required' and a named tool constrain the output to calls. */
  toolChoice?: ToolChoice
  /** Whether one answer may call several tools. Default true. */
  parallelToolCalls?: boolean
  /** How the model writes calls; 'auto' goes by the marks in its chat template and vocabulary. Default 'auto'. */
  toolFormat?: 'auto' | ToolFormatName
  /** What sets reasoning apart from the answer; 'auto' goes by the chat template, 'none' leaves it in the text. Default 'auto'. */
  reasoningFormat?: 'auto' | 'none' | ReasoningMarks
  /** Further variables of the chat template, `enable_thinking` for example. */
  templateVariables?: Readonly<Record<string, unknown>>
}

export interface ScoreOptions {
  /** What to do with a text that is too long; by default an error. 'right' drops its end. */
  truncate?: 'right'
  /** Ends the scoring with the error `cancelled`. */
  signal?: AbortSignal
}

/** Text, or token ids. */
export type Prompt = string | readonly number[]
