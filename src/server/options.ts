import type { Logger } from 'pino'

/** Bounds on what one request may ask for: each keeps a single caller from taking the server. */
export interface RequestLimits {
  /** Prompts of one completion request. */
  readonly prompts: number
  /** Texts of one embeddings request. */
  readonly inputs: number
  /** `n`, and `best_of` with it. */
  readonly choices: number
  /** Likeliest tokens reported at each place: `logprobs`, `top_logprobs`, `prompt_logprobs`. */
  readonly logprobs: number
  /** Stop texts. */
  readonly stops: number
  /** Entries of `logit_bias`, `stop_token_ids`, `bad_words`. */
  readonly entries: number
  /** Messages of a chat. */
  readonly messages: number
  /** Tools of a chat. */
  readonly tools: number
  /** Objects and arrays within each other. */
  readonly depth: number
}

export interface ServerOptions {
  /** Address to listen on. Default 127.0.0.1: this machine only. */
  readonly host?: string
  /** Default 8000; 0 takes a free one. */
  readonly port?: number
  /** Names that requests may call the model by, the first of them in answers. Default: the model's own. */
  readonly modelNames?: readonly string[]
  /** Keys, one of which every request must carry (`Authorization: Bearer`). None: everybody is served. */
  readonly apiKeys?: readonly string[]
  /** Web pages that may call the server from a browser: origins, or `*`. Default none. */
  readonly corsOrigins?: readonly string[]
  /**
   * `Host` headers that are answered, besides addresses and localhost. Without it a server on a loopback address answers to
   * loopback names only, so that no web page reaches it under a name of its own (DNS rebinding); elsewhere any name is answered.
   */
  readonly allowedHosts?: readonly string[]
  /** Prompts that may wait beside those that run; further requests are told to come back later (429). Default 512. */
  readonly maxQueue?: number
  /** Prompts that one API key may have open at once. Default: no limit of its own. */
  readonly maxPerKey?: number
  /** Bytes of a request's body. Default 4 MiB. */
  readonly maxBodyBytes?: number
  /** Bytes of a request's headers. Default 16 KiB. */
  readonly maxHeaderBytes?: number
  /** Open connections. Default 4096. */
  readonly maxConnections?: number
  /** Milliseconds that a request may take to arrive. Default 30 s. */
  readonly receiveTimeoutMs?: number
  /** Milliseconds that an answer may take; a request's own `timeout` may be shorter. Default 10 min. */
  readonly answerTimeoutMs?: number
  /** Milliseconds that a stream may hold its status back: what fails by then is answered by an error's status. Default 1 s. */
  readonly streamGraceMs?: number
  /** Milliseconds of silence after which a stream sends a comment. Default 10 s. */
  readonly keepAliveMs?: number
  /** Milliseconds that a stream's reader may stand still before its request is cancelled. Default 30 s. */
  readonly stallTimeoutMs?: number
  /** Parts of a stream that may wait for its reader; more, and its request is cancelled. Default 8192. */
  readonly maxQueuedParts?: number
  /** Milliseconds that open requests have to finish once the server is told to stop. Default 30 s. */
  readonly shutdownTimeoutMs?: number
  /** Milliseconds between `/ready` turning to 503 and the listening socket closing, for load balancers. Default 0. */
  readonly drainDelayMs?: number
  readonly limits?: Partial<RequestLimits>
  /** The page at `/`. Default true. */
  readonly playground?: boolean
  /** Default: silent. */
  readonly logger?: Logger
}

export const DEFAULT_LIMITS: RequestLimits = {
  prompts: 256,
  inputs: 2048,
  choices: 32,
  logprobs: 20,
  stops: 16,
  entries: 1024,
  messages: 4096,
  tools: 128,
  depth: 64,
}

export const DEFAULT_OPTIONS = {
  host: '127.0.0.1',
  port: 8000,
  apiKeys: [] as readonly string[],
  corsOrigins: [] as readonly string[],
  maxQueue: 512,
  maxPerKey: Number.POSITIVE_INFINITY,
  maxBodyBytes: 4 * 2 ** 20,
  maxHeaderBytes: 16 * 2 ** 10,
  maxConnections: 4096,
  receiveTimeoutMs: 30_000,
  answerTimeoutMs: 600_000,
  streamGraceMs: 1000,
  keepAliveMs: 10_000,
  stallTimeoutMs: 30_000,
  maxQueuedParts: 8192,
  shutdownTimeoutMs: 30_000,
  drainDelayMs: 0,
  playground: true,
} satisfies ServerOptions

/** Every option set. */
export type Settings = Omit<ServerOptions, keyof typeof DEFAULT_OPTIONS | 'limits' | 'modelNames'> &
  Required<Pick<ServerOptions, keyof typeof DEFAULT_OPTIONS | 'modelNames'>> & { readonly limits: RequestLimits }

export function settingsOf(options: ServerOptions, modelName: string): Settings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return {
    ...DEFAULT_OPTIONS,
    modelNames: [modelName],
    ...given,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
  }
}
