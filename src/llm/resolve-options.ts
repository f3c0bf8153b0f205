import { randomBytes } from 'node:crypto'
import type { SamplingParameters } from '../engine/sampling-parameters.js'
import { WarplineError } from '../errors.js'
import type { Tokenizer } from '../text/index.js'
import type { GenerationDefaults } from '../weights/generation-config.js'
import type { GenerateOptions } from './options.js'

const DEFAULT_MAX_TOKENS = 256
/** Every choice holds an automaton of them. */
const MOST_STOP_CHARACTERS = 4096

/** What the options are read against. */
export interface OptionContext {
  readonly defaults: GenerationDefaults
  readonly tokenizer: Tokenizer | undefined
  readonly vocabulary: number
  readonly promptLength: number
  readonly contextLength: number
  /** The K/V cache: its blocks, and the tokens of one. */
  readonly blocks: number
  readonly blockSize: number
}

export interface ResolvedOptions {
  /** Not yet checked for ranges. */
  readonly parameters: Partial<SamplingParameters>
  readonly stop: readonly string[]
}

/** The request first, then the checkpoint's generation_config.json, then the documented defaults. */
export function resolveOptions(options: GenerateOptions, context: OptionContext): ResolvedOptions {
  const { defaults } = context
  const numBeams = options.numBeams ?? (options.temperature === undefined ? defaults.numBeams : undefined)
  const n = options.n ?? defaults.n ?? 1
  const beams = (numBeams ?? 1) > 1
  if (beams && n > numBeams!) {
    throw new WarplineError(
      'parameter-invalid',
      `n is ${n}; a beam search returns at most numBeams, which is ${numBeams}`,
    )
  }
  const sampling = samplingOptions(options, defaults, beams, n)
  const parameters = withoutUndefined<Partial<SamplingParameters>>({
    ...sampling,
    ...lengths(options, context, beams ? numBeams! : n),
    topPDecay: options.topPDecay,
    topPMin: options.topPMin,
    topPResetIds: options.topPResetIds,
    repetitionPenalty: options.repetitionPenalty ?? defaults.repetitionPenalty,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    noRepeatNgramSize: options.noRepeatNgramSize ?? defaults.noRepeatNgramSize,
    logitBias: options.logitBias && logitBias(options.logitBias),
    badWordsIds: badWords(options, context),
    suppressIds: defaults.suppressTokenIds,
    stopIds: stopIds(options, context),
    seed: options.seed === undefined ? randomBytes(8).readBigUInt64LE() : seed(options.seed),
    n: beams ? 1 : n,
    numBeams,
    numReturn: beams ? n : 1,
    lengthPenalty: options.lengthPenalty ?? defaults.lengthPenalty,
    earlyStopping: options.earlyStopping ?? defaults.earlyStopping,
    numBeamGroups: options.numBeamGroups ?? defaults.numBeamGroups,
    diversityPenalty: options.diversityPenalty ?? defaults.diversityPenalty,
    logprobs: logprobCount('logprobs', options.logprobs),
    promptLogprobs: logprobCount('promptLogprobs', options.promptLogprobs),
    hiddenStates: options.hiddenStates,
  })
  return { parameters, stop: stopStrings(options, context) }
}

/** A checkpoint's top-k, top-p and min-p belong to its sampling; a request for greedy decoding drops them. */
function samplingOptions(options: GenerateOptions, defaults: GenerationDefaults, beams: boolean, n: number) {
  const asksToSample = options.topK !== undefined || options.topP !== undefined || options.minP !== undefined
  const byDefault = defaults.doSample === true && !beams ? (defaults.temperature ?? 1) : 0
  const wanted = !beams && (asksToSample || n > 1) ? byDefault || 1 : byDefault
  const temperature = options.temperature ?? wanted
  if (temperature === 0) return { temperature, topK: options.topK, topP: options.topP, minP: options.minP }
  return {
    temperature,
    topK: options.topK ?? defaults.topK,
    topP: options.topP ?? defaults.topP,
    minP: options.minP ?? defaults.minP,
  }
}

/** `max_length` counts the prompt too, as transformers does. */
function lengths(options: GenerateOptions, context: OptionContext, width: number) {
  const { defaults, promptLength, contextLength } = context
  const fromTotal = (total: number | undefined) => (total === undefined ? undefined : total - promptLength)
  const fallback = defaults.maxTokens ?? fromTotal(defaults.maxLength) ?? DEFAULT_MAX_TOKENS
  const room = Math.max(1, contextLength - promptLength)
  const asked = options.maxTokens === 'context' ? Math.min(room, cacheRoom(context, width)) : options.maxTokens
  const maxTokens = asked ?? Math.min(Math.max(1, fallback), room)
  if (maxTokens === 0) throw new WarplineError('parameter-invalid', 'maxTokens is 0; ask for at least 1 token')
  const atLeast = defaults.minTokens ?? fromTotal(defaults.minLength) ?? 0
  const minTokens = options.minTokens ?? Math.min(Math.max(0, atLeast), maxTokens)
  return { maxTokens, minTokens }
}

/** Output tokens that the cache can hold for each of so many sequences, which share the prompt's full blocks. */
function cacheRoom({ promptLength, blocks, blockSize }: OptionContext, width: number): number {
  const shared = Math.floor(promptLength / blockSize)
  const own = Math.floor((blocks - shared) / width)
  return Math.max(1, (shared + own) * blockSize - promptLength + 1)
}

/** End tokens of a checkpoint that its vocabulary lacks can never come; a request that names one is mistaken. */
function stopIds(options: GenerateOptions, { defaults, tokenizer, vocabulary }: OptionContext): number[] {
  const fromTokenizer = tokenizer?.eosTokenId === undefined ? [] : [tokenizer.eosTokenId]
  const ends = options.ignoreEos ? [] : (defaults.eosTokenIds ?? fromTokenizer).filter((id) => id < vocabulary)
  return [...new Set([...ends, ...(options.stopTokenIds ?? [])])]
}

function stopStrings(options: GenerateOptions, { defaults, tokenizer }: OptionContext): readonly string[] {
  const stop = options.stop ?? defaults.stopStrings ?? []
  const list = typeof stop === 'string' ? [stop] : stop
  if (list.length > 0 && !tokenizer) {
    if (options.stop === undefined) return []
    throw new WarplineError('tokenizer-missing', 'stop needs a tokenizer; this model has none: use stopTokenIds')
  }
  if (list.reduce((sum, text) => sum + text.length, 0) > MOST_STOP_CHARACTERS) {
    throw new WarplineError('option-invalid', `stop: the texts have over ${MOST_STOP_CHARACTERS} characters in all`)
  }
  if (list.includes('')) throw new WarplineError('option-invalid', 'stop: a stop text is empty; leave it out')
  return list
}

/** A word at the start of a text and after a space are different tokens: both are banned. */
function badWords(options: GenerateOptions, { defaults, tokenizer }: OptionContext) {
  const words = options.badWords ?? []
  if (words.length > 0 && !tokenizer) {
    throw new WarplineError('tokenizer-missing', 'badWords needs a tokenizer; this model has none: use badWordsIds')
  }
  if (words.includes('')) throw new WarplineError('option-invalid', 'badWords: a word is empty; leave it out')
  const spelt = words.flatMap((word) =>
    [word, ` ${word}`].map((text) => tokenizer!.encode(text, { addSpecialTokens: false })),
  )
  const given = [...(options.badWordsIds ?? defaults.badWordsIds ?? []), ...spelt]
  return given.length > 0 ? given.filter((sequence) => sequence.length > 0) : undefined
}

function logitBias(bias: Readonly<Record<number, number>>): Map<number, number> {
  const bad = Object.keys(bias).find((id) => !/^\d+$/.test(id))
  if (bad !== undefined) throw new WarplineError('option-invalid', `logitBias: '${bad}' is no token id`)
  return new Map(Object.entries(bias).map(([id, value]) => [Number(id), value]))
}

function seed(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value
  if (!Number.isSafeInteger(value)) {
    throw new WarplineError('parameter-invalid', `seed is ${value}; give an integer (a bigint above 2^53)`)
  }
  return BigInt(value)
}

function logprobCount(name: string, wanted: number | boolean | undefined): number | undefined {
  if (wanted === undefined) return undefined
  if (typeof wanted === 'number' && wanted < 0) {
    throw new WarplineError('parameter-invalid', `${name} is ${wanted}; it must be at least 0 (false turns it off)`)
  }
  if (typeof wanted === 'boolean') return wanted ? 0 : -1
  return wanted
}

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}
