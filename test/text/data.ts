import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Tokenizer } from '../../src/text/index.js'

export interface TokenizerData {
  added_tokens: { id: number; content: string; special: boolean }[]
  model: { vocab: Record<string, number>; merges: [string, string][] }
  [part: string]: unknown
}

export function dataPath(name: string): string {
  return fileURLToPath(new URL(`./data/${name}`, import.meta.url))
}

/** A tiny `tokenizer.json`: byte-level as GPT-2's, or with byte fallback as Llama's. */
export function loadData(name: 'byte-level' | 'byte-fallback'): TokenizerData {
  return JSON.parse(readFileSync(dataPath(`${name}.json`), 'utf8'))
}

/** The tiny tokenizer with more control tokens, a configuration, or other parts. */
export function tinyTokenizer(
  name: 'byte-level' | 'byte-fallback',
  options: { specials?: string[]; words?: string[]; config?: object; parts?: object } = {},
): Tokenizer {
  const json = loadData(name)
  const first = Object.keys(json.model.vocab).length
  const fresh = [
    ...(options.specials ?? []).map((content) => ({ content, special: true })),
    ...(options.words ?? []).map((content) => ({ content, special: false })),
  ].filter(({ content }) => !json.added_tokens.some((token) => token.content === content))
  const added = fresh.map((token, i) => ({ id: first + i, ...token, normalized: false }))
  const tokenizer = { ...json, ...options.parts, added_tokens: [...json.added_tokens, ...added] }
  return Tokenizer.fromFiles({ tokenizer, config: options.config })
}
