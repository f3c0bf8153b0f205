import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePattern } from '../../src/text/patterns.js'

const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const inUse: Record<string, string> = {
  'GPT-2': "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  cl100k: `'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|${spaces}`,
  'Llama 3': `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  'Qwen 2': `${contraction}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  o200k:
    `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${contraction}?|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${contraction}?|` +
    `\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  Tekken:
    `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*|` +
    `\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`,
  'Kimi K2':
    `[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[${upper.slice(1, -1)}&&[^\\p{Han}]]*[${lower.slice(1, -1)}&&[^\\p{Han}]]+` +
    `${contraction}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`,
  'DeepSeek V3':
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
    ` ?[\\p{P}\\p{S}]+[\\r\\n]*|${spaces}`,
  'DeepSeek V3, Chinese and Japanese': '[一-龥぀-ゟ゠-ヿ]+',
  'DeepSeek LLM, words': '\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ]+',
  'DeepSeek LLM, punctuation': '\\s?[!-/:-~！-／：-～‘-‟　-。]+',
  'DeepSeek LLM, spaces': '\\s+$',
  Falcon: '[0-9][0-9][0-9]',
  StarCoder: '\\p{N}',
  BLOOM: ' ?[^(\\s|[.,!?…。，、।۔،])]+',
  'digits in threes': '\\d{1,3}(?=(?:\\d{3})*\\b)',
  'words and marks': '\\w+|[^\\w\\s]+',
  'two spaces': ' {2,}',
}

for (const [name, Regex] of Object.entries(inUse)) {
  test(`the pattern of ${name} is admitted`, () => {
    assert.ok(compilePattern({ Regex }).global)
  })
}

for (const Regex of [
  '(a+)+$',
  '(a|aa)+$',
  '(a|a)*b',
  '(a*)*b',
  '(?:a?)*b',
  '([ab]|[ac])+$',
  '(\\w+\\s?)+$',
  '(a?){40}a{40}',
  `${'a?'.repeat(40)}a{40}`,
  `${'(a|aa)'.repeat(40)}b`,
  '(?:a+){1,100}b',
  '(?:(?:a|aa)+b)*',
  '(?:a+){9}',
  '(?>a+)+b',
  '(?=(a+)+$)a',
  'a*a*b',
  'a{0,900}a{0,900}b',
  '[^]*[^]*\\x{10FFFF}',
  'a+(?!a*b)',
  '(a)\\1*b',
  '(?:(?:a{100}){100}){100}',
  'a{100000}',
  '.'.repeat(16_000),
  `${'('.repeat(5000)}a${')'.repeat(5000)}`,
  '(',
]) {
  test(`a pattern that could run without end is refused by name: ${Regex.slice(0, 40)}`, () => {
    assert.throws(
      () => compilePattern({ Regex }),
      (error: Error & { code: string }) =>
        error.code === 'tokenizer-unsupported' &&
        error.message.includes(JSON.stringify(Regex.slice(0, 20)).slice(1, -1)) &&
        error.message.length < 400,
    )
  })
}
