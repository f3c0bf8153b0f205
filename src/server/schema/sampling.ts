import { z } from 'zod'
import type { GenerateOptions, ResponseFormat } from '../../index.js'
import { invalid } from '../http/api-error.js'
import type { RequestLimits } from '../options.js'

const tokenId = z.int().min(0)
const object = z.record(z.string(), z.unknown())

/** Fields of completions and chats alike: OpenAI's first, then extensions under the names that vLLM gave them. */
export function samplingShape(limits: RequestLimits) {
  const { choices, entries, stops, logprobs } = limits
  return {
    model: z.string().optional(),
    frequency_penalty: z.number().optional(),
    presence_penalty: z.number().optional(),
    temperature: z.number().optional(),
    top_p: z.number().optional(),
    max_tokens: z.int().min(0).optional(),
    n: z.int().min(1).max(choices).optional(),
    seed: z.int().optional(),
    stop: z.union([z.string(), z.array(z.string()).max(stops)]).optional(),
    logit_bias: z
      .record(z.string().regex(/^\d+$/, 'must be token ids'), z.number().min(-100).max(100))
      .refine((bias) => Object.keys(bias).length <= entries, `has over ${entries} entries, the limit of this server`)
      .optional(),
    stream: z.boolean().optional(),
    stream_options: z
      .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.literal(false).optional() })
      .optional(),
    user: z.string().max(512).optional(),
    service_tier: z.enum(['auto', 'default']).optional(),
    // Extensions
    top_k: z.int().min(-1).optional(),
    min_p: z.number().optional(),
    repetition_penalty: z.number().optional(),
    no_repeat_ngram_size: z.int().min(0).optional(),
    min_tokens: z.int().min(0).optional(),
    ignore_eos: z.boolean().optional(),
    stop_token_ids: z.array(tokenId).max(entries).optional(),
    include_stop_str_in_output: z.boolean().optional(),
    bad_words: z.array(z.string()).max(entries).optional(),
    bad_words_ids: z.array(z.array(tokenId)).max(entries).optional(),
    best_of: z.int().min(1).max(choices).optional(),
    use_beam_search: z.boolean().optional(),
    length_penalty: z.number().optional(),
    early_stopping: z.union([z.boolean(), z.literal('never')]).optional(),
    skip_special_tokens: z.boolean().optional(),
    spaces_between_special_tokens: z.literal(true).optional(),
    add_special_tokens: z.boolean().optional(),
    prompt_logprobs: z.int().min(0).max(logprobs).optional(),
    return_tokens_as_token_ids: z.boolean().optional(),
    return_token_ids: z.boolean().optional(),
    response_format: object.optional(),
    guided_json: z.union([z.string(), z.boolean(), object]).optional(),
    guided_regex: z.string().optional(),
    guided_choice: z.array(z.string()).optional(),
    guided_grammar: z.string().optional(),
    guided_whitespace_pattern: z.string().optional(),
    structured_outputs: object.optional(),
    priority: z.int().optional(),
    timeout: z.number().positive().max(86_400).optional(),
  }
}

export type SamplingFields = z.output<z.ZodObject<ReturnType<typeof samplingShape>>>

/** Options that the library may come to have; until it has them it says so, and the caller is told. */
interface LaterOptions {
  readonly responseFormat?: ResponseFormat
  readonly guidedJson?: unknown
  readonly guidedRegex?: string
  readonly guidedChoice?: readonly string[]
  readonly guidedGrammar?: string
  readonly guidedWhitespacePattern?: string
  readonly structuredOutputs?: unknown
  readonly priority?: number
}

/** The request's decoding as options of the library. `byDefault` is the temperature where nobody names one. */
export function samplingOptions(fields: SamplingFields, byDefault: number | undefined): GenerateOptions & LaterOptions {
  const beams = fields.use_beam_search === true
  if (!beams) {
    for (const name of ['length_penalty', 'early_stopping'] as const) {
      if (fields[name] !== undefined) throw invalid(name, `${name} belongs to beam search; add use_beam_search: true`)
    }
  }
  return {
    temperature: beams ? fields.temperature : (fields.temperature ?? byDefault),
    topP: fields.top_p,
    topK: fields.top_k === -1 ? 0 : fields.top_k,
    minP: fields.min_p,
    frequencyPenalty: fields.frequency_penalty,
    presencePenalty: fields.presence_penalty,
    repetitionPenalty: fields.repetition_penalty,
    noRepeatNgramSize: fields.no_repeat_ngram_size,
    minTokens: fields.min_tokens,
    ignoreEos: fields.ignore_eos,
    stop: fields.stop,
    stopTokenIds: fields.stop_token_ids,
    includeStop: fields.include_stop_str_in_output,
    badWords: fields.bad_words,
    badWordsIds: fields.bad_words_ids,
    logitBias: fields.logit_bias,
    seed: fields.seed === undefined ? undefined : asSeed(fields.seed),
    lengthPenalty: fields.length_penalty,
    earlyStopping: fields.early_stopping,
    skipSpecialTokens: fields.skip_special_tokens,
    addSpecialTokens: fields.add_special_tokens,
    promptLogprobs: fields.prompt_logprobs,
    ...widths(fields),
    ...later(fields),
  }
}

/** OpenAI's seeds are signed, the library's are not: -1 is 2^64 - 1. */
function asSeed(seed: number): bigint {
  return BigInt.asUintN(64, BigInt(seed))
}

/** How many choices are made, and how many of them are wanted. */
export function choiceCounts({ n = 1, best_of: bestOf = n, use_beam_search: beams }: SamplingFields) {
  if (bestOf < n) throw invalid('best_of', `best_of is ${bestOf}; it must be at least n, which is ${n}`)
  return { wanted: n, made: beams ? n : bestOf, beams: beams ? bestOf : 1 }
}

function widths(fields: SamplingFields): GenerateOptions {
  const { made, beams } = choiceCounts(fields)
  if (fields.use_beam_search && beams < 2) {
    throw invalid('best_of', 'use_beam_search needs a width: give best_of (or n) of at least 2')
  }
  return beams > 1 ? { n: made, numBeams: beams } : { n: made }
}

function later(fields: SamplingFields): LaterOptions {
  const { response_format: format, priority } = fields
  const options: LaterOptions = {
    responseFormat: format?.type === 'text' ? undefined : (format as ResponseFormat | undefined),
    guidedJson: fields.guided_json,
    guidedRegex: fields.guided_regex,
    guidedChoice: fields.guided_choice,
    guidedGrammar: fields.guided_grammar,
    guidedWhitespacePattern: fields.guided_whitespace_pattern,
    structuredOutputs: fields.structured_outputs,
    // Everybody's priority unless told otherwise.
    priority: priority === 0 ? undefined : priority,
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
