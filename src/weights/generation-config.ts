import { join } from 'node:path'
import { z } from 'zod'
import { WarplineError } from '../errors.js'
import { readOptionalJsonObject } from './json-file.js'

/** What a checkpoint asks for where the request says nothing. Absent: it says nothing either. */
export interface GenerationDefaults {
  /** `do_sample` as written. False sets `temperature` to 0, as transformers then ignores the written one. */
  readonly doSample?: boolean
  /** 0 is greedy. */
  readonly temperature?: number
  /** 0 is off. */
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  /** 0 is off. */
  readonly noRepeatNgramSize?: number
  readonly numBeams?: number
  readonly numBeamGroups?: number
  readonly diversityPenalty?: number
  readonly lengthPenalty?: number
  readonly earlyStopping?: boolean | 'never'
  /** Sequences to return: OpenAI's `n`. */
  readonly n?: number
  /** New tokens. */
  readonly maxTokens?: number
  /** New tokens. */
  readonly minTokens?: number
  /** Tokens of prompt and output together; `maxTokens` wins where both are given. */
  readonly maxLength?: number
  /** Tokens of prompt and output together; `minTokens` wins where both are given. */
  readonly minLength?: number
  readonly eosTokenIds?: readonly number[]
  readonly bosTokenId?: number
  readonly padTokenId?: number
  /** Token sequences that must not appear. */
  readonly badWordsIds?: readonly (readonly number[])[]
  /** Tokens that must never be chosen. */
  readonly suppressTokenIds?: readonly number[]
  readonly stopStrings?: readonly string[]
  /** Fields that stand in the file and have no effect here, in its order. */
  readonly ignored: readonly string[]
}

const tokenId = z.int().min(0)
/** Older checkpoints write -1 for a token that they do not have. */
const optionalTokenId = z.int().min(-1)
const probability = z.number().min(0).max(1)
const count = z.int().min(0)
const atLeastOne = z.int().min(1)

const fields = {
  do_sample: z.boolean(),
  temperature: z.number().min(0),
  top_k: count,
  top_p: probability,
  min_p: probability,
  repetition_penalty: z.number().positive(),
  no_repeat_ngram_size: count,
  num_beams: atLeastOne,
  num_beam_groups: atLeastOne,
  diversity_penalty: z.number(),
  length_penalty: z.number(),
  early_stopping: z.union([z.boolean(), z.literal('never')]),
  num_return_sequences: atLeastOne,
  max_new_tokens: atLeastOne,
  min_new_tokens: count,
  max_length: atLeastOne,
  min_length: count,
  eos_token_id: z.union([optionalTokenId, z.array(tokenId)]),
  bos_token_id: optionalTokenId,
  pad_token_id: optionalTokenId,
  bad_words_ids: z.array(z.array(tokenId).min(1)),
  suppress_tokens: z.array(tokenId),
  stop_strings: z.union([z.string(), z.array(z.string())]),
}

type Field = keyof typeof fields
type Values = { [F in Field]?: z.infer<(typeof fields)[F]> }

/** Notes of the writing program, and switches of its own output and cache: they never change a token. */
const BOOKKEEPING = new Set([
  'transformers_version',
  'use_cache',
  'output_attentions',
  'output_hidden_states',
  'output_scores',
  'output_logits',
  'return_dict_in_generate',
])

/** Parses the content of `generation_config.json`. Null is "not given". Throws `generation-config-invalid`. */
export function parseGenerationConfig(
  content: Readonly<Record<string, unknown>>,
  file = 'generation_config.json',
): GenerationDefaults {
  const values: Record<string, unknown> = {}
  const ignored: string[] = []
  for (const [name, value] of Object.entries(content)) {
    if (value === null || name.startsWith('_') || BOOKKEEPING.has(name)) continue
    if (Object.hasOwn(fields, name)) values[name] = parseField(name as Field, value, file)
    else ignored.push(name)
  }
  return { ...toDefaults(values), ignored }
}

/** Reads the defaults of a model directory; where it has no `generation_config.json`, the token ids of its config. */
export async function readGenerationDefaults(
  directory: string,
  config: Readonly<Record<string, unknown>>,
): Promise<GenerationDefaults> {
  const file = join(directory, 'generation_config.json')
  const content = await readOptionalJsonObject(file, 'generation-config-invalid')
  if (content) return parseGenerationConfig(content, file)
  const { bos_token_id = null, eos_token_id = null, pad_token_id = null } = config
  return parseGenerationConfig({ bos_token_id, eos_token_id, pad_token_id }, join(directory, 'config.json'))
}

function parseField(name: Field, value: unknown, file: string): unknown {
  const result = fields[name].safeParse(value)
  if (result.success) return result.data
  const written = JSON.stringify(value) ?? String(value)
  const found = written.length > 60 ? `${written.slice(0, 57)}...` : written
  const reason = result.error.issues.map((issue) => issue.message).join('; ')
  throw new WarplineError('generation-config-invalid', `${file}: ${name} is ${found}: ${reason}`)
}

function toDefaults(v: Values): Omit<GenerationDefaults, 'ignored'> {
  return withoutUndefined({
    doSample: v.do_sample,
    temperature: v.do_sample === false ? 0 : v.temperature,
    topK: v.top_k,
    topP: v.top_p,
    minP: v.min_p,
    repetitionPenalty: v.repetition_penalty,
    noRepeatNgramSize: v.no_repeat_ngram_size,
    numBeams: v.num_beams,
    numBeamGroups: v.num_beam_groups,
    diversityPenalty: v.diversity_penalty,
    lengthPenalty: v.length_penalty,
    earlyStopping: v.early_stopping,
    n: v.num_return_sequences,
    maxTokens: v.max_new_tokens,
    minTokens: v.min_new_tokens,
    maxLength: v.max_length,
    minLength: v.min_length,
    eosTokenIds: eosTokenIds(v.eos_token_id),
    bosTokenId: present(v.bos_token_id),
    padTokenId: present(v.pad_token_id),
    badWordsIds: v.bad_words_ids,
    suppressTokenIds: v.suppress_tokens,
    stopStrings: typeof v.stop_strings === 'string' ? [v.stop_strings] : v.stop_strings,
  })
}

function eosTokenIds(id: Values['eos_token_id']): readonly number[] | undefined {
  if (typeof id === 'number') return id < 0 ? undefined : [id]
  return id && [...new Set(id)]
}

function present(id: number | undefined): number | undefined {
  return id === undefined || id < 0 ? undefined : id
}

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}
