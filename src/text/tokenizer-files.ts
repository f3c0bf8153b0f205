/** Finds a checkpoint's text files and reads them, within limits. What is in them is checked by the modules that use it. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { WarplineError } from '../errors.js'
import { MAX_ADDED_TOKENS, MAX_CONFIG_BYTES, MAX_TEMPLATE_LENGTH, MAX_TOKENIZER_BYTES } from './limits.js'
import { parseWith } from './tokenizer-json.js'

/** The files' contents, parsed but not yet checked. */
export interface TokenizerFiles {
  /** `tokenizer.json`, or the same built from GPT-2's older pair of files. */
  tokenizer: unknown
  config?: unknown
  specialTokensMap?: unknown
  /** Templates in files of their own, by name; the usual one is `default`. They win over `tokenizer_config.json`. */
  chatTemplateFiles?: ReadonlyMap<string, string>
  /** `chat_template.json`, used when nothing else has a template. */
  chatTemplateJson?: unknown
}

/** Undefined when the directory has no tokenizer. */
export async function readTokenizerFiles(directory: string): Promise<TokenizerFiles | undefined> {
  const config = await readJson(join(directory, 'tokenizer_config.json'), MAX_CONFIG_BYTES)
  const tokenizer =
    (await readJson(join(directory, 'tokenizer.json'), MAX_TOKENIZER_BYTES)) ??
    (await readLegacyPair(directory, config))
  if (tokenizer === undefined) return undefined
  return {
    tokenizer,
    config,
    specialTokensMap: await readJson(join(directory, 'special_tokens_map.json'), MAX_CONFIG_BYTES),
    chatTemplateFiles: await readChatTemplates(directory),
    chatTemplateJson: await readJson(join(directory, 'chat_template.json'), MAX_CONFIG_BYTES),
  }
}

/** The error for asking text of a model that has no tokenizer, with what can be done about it. */
export async function missingTokenizer(directory: string): Promise<WarplineError> {
  const names = await readdir(directory).catch(() => [] as string[])
  const advice = names.includes('tokenizer.model')
    ? 'tokenizer.model is a SentencePiece file: convert it once in Python with ' +
      'AutoTokenizer.from_pretrained(directory).save_pretrained(directory), which writes tokenizer.json'
    : 'put its tokenizer.json (or vocab.json and merges.txt) there, or pass token ids instead of text'
  return new WarplineError('tokenizer-missing', `${directory} has no tokenizer.json; ${advice}`)
}

async function readChatTemplates(directory: string): Promise<Map<string, string>> {
  const templates = new Map<string, string>()
  const main = await readText(join(directory, 'chat_template.jinja'), 4 * MAX_TEMPLATE_LENGTH)
  if (main !== undefined) templates.set('default', main)
  const folder = join(directory, 'additional_chat_templates')
  const names = await readdir(folder).catch(() => [] as string[])
  for (const name of names.filter((name) => name.endsWith('.jinja')).slice(0, 64)) {
    const template = await readText(join(folder, name), 4 * MAX_TEMPLATE_LENGTH)
    if (template !== undefined) templates.set(name.slice(0, -'.jinja'.length), template)
  }
  return templates
}

/** GPT-2's `vocab.json` and `merges.txt` (and `added_tokens.json`) as the `tokenizer.json` they amount to. */
async function readLegacyPair(directory: string, config: unknown): Promise<unknown> {
  const vocab = await readJson(join(directory, 'vocab.json'), MAX_TOKENIZER_BYTES)
  const merges = await readText(join(directory, 'merges.txt'), MAX_TOKENIZER_BYTES)
  if (vocab === undefined || merges === undefined) return undefined
  const added = await readJson(join(directory, 'added_tokens.json'), MAX_CONFIG_BYTES)
  const addedIds = parseWith(z.record(z.string(), z.number()), added ?? {}, 'added_tokens.json')
  const { add_prefix_space: prefixSpace } = parseWith(
    z.object({ add_prefix_space: z.boolean().nullish() }),
    config ?? {},
    'tokenizer_config.json',
  )
  const byteLevel = { type: 'ByteLevel', add_prefix_space: prefixSpace ?? false, use_regex: true }
  return {
    added_tokens: [...endOfText(vocab), ...Object.entries(addedIds).slice(0, MAX_ADDED_TOKENS)].map(
      ([content, id]) => ({
        id,
        content,
        special: content === END_OF_TEXT,
        normalized: content !== END_OF_TEXT,
      }),
    ),
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      vocab,
      merges: merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version')),
    },
  }
}

const END_OF_TEXT = '<|endoftext|>'

function endOfText(vocab: unknown): [string, unknown][] {
  const known = typeof vocab === 'object' && vocab !== null && Object.hasOwn(vocab, END_OF_TEXT)
  return known ? [[END_OF_TEXT, (vocab as Record<string, unknown>)[END_OF_TEXT]]] : []
}

async function readJson(path: string, limit: number): Promise<unknown> {
  const text = await readText(path, limit)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new WarplineError(
      'tokenizer-invalid',
      `${path} is not JSON (${String(error).slice(0, 200)}); fetch the checkpoint again`,
      {
        cause: error,
      },
    )
  }
}

/** Undefined when there is no such file. */
async function readText(path: string, limit: number): Promise<string | undefined> {
  try {
    const status = await stat(path)
    if (!status.isFile()) throw new Error('it is not a file')
    if (status.size > limit) {
      throw new WarplineError(
        'tokenizer-invalid',
        `${path} has ${status.size} bytes; no tokenizer needs more than ${limit}`,
      )
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    if (error instanceof WarplineError) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
      throw new WarplineError('tokenizer-invalid', `${path} is not UTF-8 text; fetch the checkpoint again`, {
        cause: error,
      })
    }
    throw new WarplineError('tokenizer-unreadable', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
