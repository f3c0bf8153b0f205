import { WarplineError } from '../errors.js'
import type { Tokenizer } from '../text/index.js'
import type { GenerateOptions, Prompt } from './options.js'

/** Token ids of a prompt. An empty text stands for the tokenizer's BOS, with which models begin a text from nothing. */
export function encodePrompt(
  prompt: Prompt,
  tokenizer: Tokenizer | undefined,
  vocabulary: number,
  options: Pick<GenerateOptions, 'addSpecialTokens' | 'softPrompt'>,
): number[] {
  if (typeof prompt !== 'string') return checkIds(prompt, vocabulary, options)
  if (!tokenizer) {
    throw new WarplineError('tokenizer-missing', 'this model has no tokenizer.json; give the prompt as token ids')
  }
  if (!prompt.isWellFormed()) {
    throw new WarplineError('prompt-invalid', 'the prompt is not valid Unicode (a lone surrogate); repair the text')
  }
  const ids = tokenizer.encode(prompt, { addSpecialTokens: options.addSpecialTokens ?? true })
  if (ids.length > 0 || options.softPrompt?.length) return ids
  if (tokenizer.bosTokenId !== undefined) return [tokenizer.bosTokenId]
  throw new WarplineError('prompt-empty', 'the prompt is empty and the tokenizer has no BOS token; give some text')
}

function checkIds(ids: readonly number[], vocabulary: number, options: Pick<GenerateOptions, 'softPrompt'>): number[] {
  if (!Array.isArray(ids)) throw new WarplineError('prompt-invalid', 'a prompt is a text or an array of token ids')
  if (ids.length === 0 && !options.softPrompt?.length)
    throw new WarplineError('prompt-empty', 'the prompt has no token ids')
  const bad = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 0)
  if (bad >= 0) {
    throw new WarplineError('prompt-invalid', `${String(ids[bad])} is no token id; ids are whole numbers from 0`)
  }
  const unknown = ids.find((id) => id >= vocabulary)
  if (unknown !== undefined) {
    throw new WarplineError(
      'token-out-of-range',
      `the prompt holds the token id ${unknown}; the model knows 0 to ${vocabulary - 1}`,
    )
  }
  return [...ids]
}

/** `truncate: 'left'` keeps the end of a prompt, and room for the answer; without it a long prompt is an error. */
export function fitPrompt(
  ids: number[],
  softRows: number,
  contextLength: number,
  options: Pick<GenerateOptions, 'truncate' | 'maxTokens'>,
): number[] {
  const room = contextLength - softRows
  if (options.truncate === 'left') {
    const wanted = options.maxTokens === 'context' ? room : (options.maxTokens ?? 1)
    const answer = Math.min(wanted, Math.floor(room / 2))
    return ids.slice(-Math.max(1, room - Math.max(1, answer)))
  }
  if (ids.length >= room) {
    throw new WarplineError(
      'context-too-long',
      `the prompt has ${ids.length + softRows} tokens and the model holds ${contextLength}, one of them for the answer; shorten it, or pass truncate: 'left'`,
    )
  }
  return ids
}
