/**
 * What `tokenizer_config.json` and `special_tokens_map.json` say beside `tokenizer.json`: which tokens open, close and pad a
 * text, and the chat templates. As transformers 5 reads them (`tokenization_utils_base.py`).
 */
import { z } from 'zod'
import { MAX_ADDED_TOKEN_LENGTH, MAX_TEMPLATE_LENGTH } from './limits.js'
import type { TokenizerFiles } from './tokenizer-files.js'
import { isTokenId, parseWith } from './tokenizer-json.js'

const flag = z.boolean().nullish()
const content = z.string().max(MAX_ADDED_TOKEN_LENGTH)
const tokenFlags = { special: flag, single_word: flag, lstrip: flag, rstrip: flag, normalized: flag }
const token = z.union([content, z.object({ content, ...tokenFlags })])
const tokens = z.union([z.array(token), z.record(z.string(), token)]).nullish()

const specialTokens = z.object({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  pad_token: token.nullish(),
  unk_token: token.nullish(),
  sep_token: token.nullish(),
  cls_token: token.nullish(),
  mask_token: token.nullish(),
  additional_special_tokens: tokens,
  extra_special_tokens: tokens,
})

const template = z.string().max(MAX_TEMPLATE_LENGTH)

const tokenizerConfig = specialTokens.extend({
  added_tokens_decoder: z.record(z.string(), z.object({ content, ...tokenFlags })).nullish(),
  add_bos_token: flag,
  add_eos_token: flag,
  add_prefix_space: flag,
  clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: flag,
  chat_template: z.union([template, z.array(z.object({ name: z.string().max(256), template })).max(64)]).nullish(),
})

export type TokenizerConfig = z.infer<typeof tokenizerConfig>
type Token = z.infer<typeof token>

export const specialTokenNames = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const
export type SpecialTokenName = (typeof specialTokenNames)[number]

/** The control tokens that a checkpoint names, by their spelling. */
export interface SpecialTokens {
  named: Partial<Record<SpecialTokenName, string>>
  additional: string[]
}

export function parseTokenizerConfig(value: unknown): TokenizerConfig {
  return parseWith(tokenizerConfig, value, 'tokenizer_config.json')
}

/** `tokenizer_config.json` wins over the older `special_tokens_map.json`. */
export function readSpecialTokens(config: TokenizerConfig, specialTokensMap: unknown): SpecialTokens {
  const map = parseWith(specialTokens, specialTokensMap ?? {}, 'special_tokens_map.json')
  const named: SpecialTokens['named'] = {}
  for (const name of specialTokenNames) {
    const value = config[name] ?? map[name]
    if (value !== null && value !== undefined) named[name] = contentOf(value)
  }
  const lists = [config, map].flatMap((source) => [source.additional_special_tokens, source.extra_special_tokens])
  const additional = lists.flatMap((list) => Object.values(list ?? {}).map((value: Token) => contentOf(value)))
  return { named, additional: [...new Set(additional)] }
}

/** For a bare `tokenizer.json`: the pair that opens and closes texts in nearly every checkpoint that has it. */
export function conventionalTokens(controls: readonly { content: string }[]): SpecialTokens['named'] {
  const pairs = [
    ['<|endoftext|>', '<|endoftext|>'],
    ['<s>', '</s>'],
    ['<bos>', '<eos>'],
  ] as const
  for (const [bos, eos] of pairs) {
    const has = (content: string) => controls.some((token) => token.content === content)
    if (has(bos) && has(eos)) return { bos_token: bos, eos_token: eos }
  }
  return {}
}

/** All templates by name. Files of their own win over `tokenizer_config.json`, which wins over `chat_template.json`. */
export function readChatTemplates(config: TokenizerConfig, files: TokenizerFiles): ReadonlyMap<string, string> {
  if (files.chatTemplateFiles !== undefined && files.chatTemplateFiles.size > 0) return files.chatTemplateFiles
  const schema = z.object({ chat_template: tokenizerConfig.shape.chat_template })
  const inJson = parseWith(schema, files.chatTemplateJson ?? {}, 'chat_template.json').chat_template
  const templates = config.chat_template ?? inJson ?? []
  if (typeof templates === 'string') return new Map([['default', templates]])
  return new Map(templates.map(({ name, template }) => [name, template]))
}

/** The tokens of `added_tokens_decoder`, which older checkpoints do not repeat in `tokenizer.json`. */
export function readAddedTokensDecoder(config: TokenizerConfig) {
  return Object.entries(config.added_tokens_decoder ?? {})
    .map(([key, value]) => ({ id: Number(key), ...value }))
    .filter((added) => isTokenId(added.id) && added.content !== '')
    .sort((a, b) => a.id - b.id)
}

function contentOf(token: Token): string {
  return typeof token === 'string' ? token : token.content
}
