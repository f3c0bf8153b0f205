/**
 * The parts of a `tokenizer.json` that Warpline uses, checked before use: the file comes from outside.
 * Format: Hugging Face tokenizers 0.23. Components that are not listed here are refused by name where they are built,
 * for one that is skipped would give other tokens than the model was trained on.
 */
import { z } from 'zod'
import { WarplineError } from '../errors.js'
import {
  MAX_ADDED_TOKEN_LENGTH,
  MAX_ADDED_TOKENS,
  MAX_PATTERN_LENGTH,
  MAX_STAGES,
  MAX_TOKEN_ID,
  MAX_TOKEN_LENGTH,
} from './limits.js'

const text = z.string().max(MAX_PATTERN_LENGTH)
const id = z.number().int().min(0).max(MAX_TOKEN_ID)
const flag = z.boolean().nullish()

const addedToken = z.object({
  id,
  content: z.string().min(1).max(MAX_ADDED_TOKEN_LENGTH),
  special: flag,
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
})
export type AddedTokenJson = z.infer<typeof addedToken>

const pattern = z.union([z.object({ String: text }), z.object({ Regex: text })])
export type PatternJson = z.infer<typeof pattern>

/** A normalizer, pre-tokenizer, decoder or post-processor: its kind and, still unread, its settings. */
const component = z.looseObject({ type: z.string().max(64) })
export type ComponentJson = z.infer<typeof component>

const model = z.object({
  type: z.string().nullish(),
  vocab: z.unknown(),
  merges: z.unknown().optional(),
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().max(64).nullish(),
  end_of_word_suffix: z.string().max(64).nullish(),
  fuse_unk: flag,
  byte_fallback: flag,
  ignore_merges: flag,
})

const tokenizerJson = z.object({
  added_tokens: z.array(addedToken).max(MAX_ADDED_TOKENS).nullish(),
  normalizer: component.nullish(),
  pre_tokenizer: component.nullish(),
  post_processor: component.nullish(),
  decoder: component.nullish(),
  model,
})
export type TokenizerJson = z.infer<typeof tokenizerJson>

/** The pieces that components' settings are made of. */
export const fields = {
  parts: z.array(component).max(64),
  pattern,
  text,
  flag,
}

export function parseTokenizerJson(value: unknown): TokenizerJson {
  const json = parseWith(tokenizerJson, value, 'tokenizer.json')
  for (const kind of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const) {
    if (countsTooMany(json[kind])) throw invalidTokenizer(`its ${kind} has more than ${MAX_STAGES} parts`)
  }
  return json
}

/** Sequences within sequences: few in each can be very many. */
function countsTooMany(root: ComponentJson | null | undefined): boolean {
  const parts: unknown[] = [root]
  for (const part of parts) {
    if (parts.length > MAX_STAGES) return true
    if (typeof part !== 'object' || part === null) continue
    for (const list of ['normalizers', 'pretokenizers', 'processors', 'decoders']) {
      const inner = (part as Record<string, unknown>)[list]
      if (Array.isArray(inner)) parts.push(...inner.slice(0, MAX_STAGES + 1))
    }
  }
  return parts.length > MAX_STAGES
}

/** Reads a component's settings, naming the component in the error. */
export function settings<Schema extends z.ZodType>(schema: Schema, component: ComponentJson): z.output<Schema> {
  return parseWith(schema, component, `the ${component.type} part of tokenizer.json`)
}

export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const where = issue.path.length > 0 ? ` at ${issue.path.map(String).join('.').slice(0, 200)}` : ''
  throw new WarplineError(
    'tokenizer-invalid',
    `${what} is not valid${where}: ${issue.message.slice(0, 200)}; fetch the checkpoint again`,
  )
}

/** `model.vocab` of a BPE model as a map, in the file's order. */
export function readVocabulary(vocab: unknown): Map<string, number> {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw invalidTokenizer('model.vocab must be an object of token ids')
  }
  const vocabulary = new Map<string, number>()
  for (const token of Object.keys(vocab)) {
    const tokenId = (vocab as Record<string, unknown>)[token]
    if (!isTokenId(tokenId)) throw invalidTokenizer(`model.vocab gives ${quoted(token)} the id ${String(tokenId)}`)
    if (token.length > MAX_TOKEN_LENGTH)
      throw invalidTokenizer('model.vocab holds a token longer than 65536 characters')
    vocabulary.set(token, tokenId)
  }
  return vocabulary
}

/** `model.merges`, either `"a b"` or `["a", "b"]`: ids of left, right and joint of each, all in the vocabulary. */
export function readMerges(
  merges: unknown,
  vocabulary: ReadonlyMap<string, number>,
  continuingPrefix: string,
): Int32Array {
  if (!Array.isArray(merges)) throw invalidTokenizer('model.merges must be a list')
  const ids = new Int32Array(3 * merges.length)
  for (let index = 0; index < merges.length; index++) {
    const merge: unknown = merges[index]
    const parts = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(parts) || parts.length !== 2 || typeof parts[0] !== 'string' || typeof parts[1] !== 'string') {
      throw invalidTokenizer(`model.merges[${index}] is not a pair of tokens`)
    }
    const idOf = (token: string) => {
      const id = vocabulary.get(token)
      if (id !== undefined) return id
      throw invalidTokenizer(`model.merges[${index}] needs ${quoted(token)}, which is no token`)
    }
    const [left, right] = parts as [string, string]
    ids[3 * index] = idOf(left)
    ids[3 * index + 1] = idOf(right)
    ids[3 * index + 2] = idOf(left + right.slice(continuingPrefix.length))
  }
  return ids
}

export function isTokenId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_TOKEN_ID
}

export function invalidTokenizer(message: string): WarplineError {
  return new WarplineError('tokenizer-invalid', `tokenizer.json is not valid: ${message}; fetch the checkpoint again`)
}

export function unsupported(kind: string, type: string, supported: readonly string[]): WarplineError {
  return new WarplineError(
    'tokenizer-unsupported',
    `the tokenizer's ${kind} ${quoted(type)} is not supported (supported: ${supported.join(', ')}); ` +
      'pass token ids instead of text',
  )
}

function quoted(token: string): string {
  return JSON.stringify(token.slice(0, 80))
}
