/**
 * Text before it is split: Unicode forms, replacements, prefixes. One function for each kind of normalizer in
 * `tokenizer.json` (Hugging Face tokenizers 0.23).
 */
import { z } from 'zod'
import { toByteCharacters } from './byte-alphabet.js'
import { bounded, replaceBounded } from './growth.js'
import { compilePattern } from './patterns.js'
import { type ComponentJson, fields, settings, unsupported } from './tokenizer-json.js'

/** Throws `text-too-long` where a text grows beyond all measure. */
export type Normalizer = (text: string) => string

const kinds: Record<string, (config: ComponentJson) => Normalizer> = {
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  Lowercase: () => (text) => text.toLowerCase(),
  StripAccents: () => (text) => text.replace(/\p{Mn}/gu, ''),
  ByteLevel: () => toByteCharacters,
  Prepend: (config) => {
    const { prepend } = settings(z.object({ prepend: fields.text }), config)
    return (text) => (text === '' ? text : prepend + text)
  },
  Replace: (config) => {
    const { pattern, content } = settings(z.object({ pattern: fields.pattern, content: fields.text }), config)
    const sought = 'String' in pattern ? pattern.String : compilePattern(pattern)
    return (text) => replaceBounded(text, sought, content)
  },
  Strip: (config) => {
    const schema = z.object({ strip_left: z.boolean(), strip_right: z.boolean() })
    const { strip_left: left, strip_right: right } = settings(schema, config)
    return (text) => {
      const start = left ? text.search(/\P{White_Space}/u) : 0
      if (start < 0) return ''
      let end = text.length
      while (right && end > start && /\p{White_Space}/u.test(text[end - 1]!)) end--
      return text.slice(start, end)
    }
  },
  Sequence: (config) => {
    const { normalizers } = settings(z.object({ normalizers: fields.parts }), config)
    const steps = normalizers.map(createNormalizer)
    return (text) => steps.reduce((result, step) => bounded(step(result), text.length), text)
  },
}

export function createNormalizer(config: ComponentJson): Normalizer {
  if (!Object.hasOwn(kinds, config.type)) throw unsupported('normalizer', config.type, Object.keys(kinds))
  const normalize = kinds[config.type]!(config)
  return (text) => bounded(normalize(text), text.length)
}
