/**
 * From tokens to text, one token at a time. Every kind of decoder in `tokenizer.json` (Hugging Face tokenizers 0.23,
 * `decoders`) is a stage of a stream: it takes tokens and passes on what no later token can change. Decoding everything
 * at once is the same stream pushed to its end, so the two cannot differ.
 */
import { z } from 'zod'
import { fromByteCharacters } from './byte-alphabet.js'
import { MAX_DECODED_GROWTH } from './limits.js'
import { replaceStream } from './literal-replacer.js'
import { compilePattern } from './patterns.js'
import { type ComponentJson, fields, invalidTokenizer, settings, unsupported } from './tokenizer-json.js'

export interface Sink {
  push(token: string): void
  finish(): void
}

export interface DecoderStage {
  /** Whether all that leaves the stage is one token, of which a push brings the next part. */
  readonly fuses?: boolean
  /** How many times longer a text may leave the stage than it came. Default: 1. */
  readonly growth?: number
  /** What tokens are to the stage: characters of bytes, or some of them a byte each (`<0x0A>`). Default: text. */
  readonly tokensAre?: 'byte-characters' | 'text-and-bytes'
  /** Whether a token's text depends on those beside it, apart from a space before the first. */
  readonly joins?: boolean
  /** Puts the stage before `next`. */
  attach(next: Sink): Sink
}

type Kind = (config: ComponentJson, fused: boolean) => DecoderStage | undefined

const REPLACEMENT = '\ufffd'

const kinds: Record<string, Kind> = {
  ByteLevel: (_config, fused) => (fused ? undefined : byteLevel),
  ByteFallback: (_config, fused) => (fused ? undefined : byteFallback),
  Fuse: () => ({ fuses: true, attach: (next) => next }),
  Replace: (config, fused) => {
    const { pattern, content } = settings(z.object({ pattern: fields.pattern, content: fields.text }), config)
    const growth = 'String' in pattern ? replacementGrowth(pattern.String, content) : content.length + 1
    if (fused) {
      if (!('String' in pattern)) return undefined
      return { growth, joins: true, attach: (next) => replaceStream(pattern.String, content, next) }
    }
    const sought = 'String' in pattern ? pattern.String : compilePattern(pattern)
    return eachToken((token) => token.replaceAll(sought, () => content), growth)
  },
  Strip: (config, fused) => {
    const count = z.number().int().min(0).max(1024)
    const { content, start, stop } = settings(z.object({ content: fields.text, start: count, stop: count }), config)
    // What is stripped at the start is a space in every checkpoint that has this stage.
    const joins = stop > 0 || start > 1 || content !== ' '
    if (fused) return { joins, attach: (next) => stripStream(content, start, stop, next) }
    return eachToken((token) => stripped(token, content, start, stop))
  },
  Metaspace: (config, fused) => {
    const schema = z.object({
      replacement: fields.text,
      prepend_scheme: z.string().nullish(),
      add_prefix_space: fields.flag,
    })
    const { replacement, prepend_scheme: scheme, add_prefix_space: prefix } = settings(schema, config)
    const prepends = scheme === undefined || scheme === null ? prefix !== false : scheme !== 'never'
    const spaced = (token: string, first: boolean) => token.replaceAll(replacement, first && prepends ? '' : ' ')
    return fused ? undefined : eachToken(spaced, replacementGrowth(replacement, ' '))
  },
  BPEDecoder: (config, fused) => {
    const { suffix } = settings(z.object({ suffix: fields.text }), config)
    const growth = replacementGrowth(suffix, ' ')
    return fused ? undefined : { growth, joins: true, attach: (next) => wordSuffix(suffix, next) }
  },
}

/** The stages of a decoder; without one, tokens are joined by spaces. */
export function createDecoder(config: ComponentJson | null | undefined): DecoderStage[] {
  if (config === null || config === undefined) return [eachToken((token, first) => (first ? token : ` ${token}`))]
  let fused = false
  let growth = 1
  return flatten(config).map((part) => {
    const stage = Object.hasOwn(kinds, part.type) ? kinds[part.type]!(part, fused) : undefined
    if (stage === undefined) throw unsupported('decoder', part.type, Object.keys(kinds))
    fused ||= stage.fuses ?? false
    growth *= stage.growth ?? 1
    if (growth > MAX_DECODED_GROWTH) {
      throw invalidTokenizer(`its decoder makes a text more than ${MAX_DECODED_GROWTH} times longer`)
    }
    return stage
  })
}

function flatten(config: ComponentJson): ComponentJson[] {
  if (config.type !== 'Sequence') return [config]
  return settings(z.object({ decoders: fields.parts }), config).decoders.flatMap(flatten)
}

function replacementGrowth(sought: string, content: string): number {
  return sought === '' ? content.length + 1 : Math.max(1, content.length / sought.length)
}

function eachToken(transform: (token: string, first: boolean) => string, growth = 1): DecoderStage {
  return {
    growth,
    attach: (next) => {
      let first = true
      return {
        push: (token) => {
          next.push(transform(token, first))
          first = false
        },
        finish: () => next.finish(),
      }
    },
  }
}

/** Byte characters to bytes to UTF-8, in which an invalid sequence becomes one U+FFFD for each maximal subpart. */
const byteLevel: DecoderStage = {
  fuses: true,
  tokensAre: 'byte-characters',
  attach: (next) => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return {
      push: (token) => next.push(decoder.decode(fromByteCharacters(token), { stream: true })),
      finish: () => {
        next.push(decoder.decode())
        next.finish()
      },
    }
  },
}

/**
 * A run of tokens `<0xNN>` becomes its characters, or one U+FFFD a byte when the run as a whole is not valid UTF-8. What it
 * is, is known only at the run's end: every other token ends it.
 */
const byteFallback: DecoderStage = {
  tokensAre: 'text-and-bytes',
  attach: (next) => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
    let run: number[] = []
    const flush = () => {
      if (run.length === 0) return
      let text: string
      try {
        text = decoder.decode(Uint8Array.from(run))
      } catch {
        text = REPLACEMENT.repeat(run.length)
      }
      run = []
      next.push(text)
    }
    return {
      push: (token) => {
        const byte = /^<0x[0-9A-Fa-f]{2}>$/.test(token) ? Number.parseInt(token.slice(3, 5), 16) : undefined
        if (byte !== undefined) {
          run.push(byte)
        } else {
          flush()
          next.push(token)
        }
      },
      finish: () => {
        flush()
        next.finish()
      },
    }
  },
}

function stripped(text: string, content: string, start: number, stop: number): string {
  let from = 0
  while (from < start && text[from] === content) from++
  let to = text.length
  while (to > from && text.length - to < stop && text[to - 1] === content) to--
  return text.slice(from, to)
}

/** `stripped` of a text that comes in parts: counts down at its start and holds back what may be its end. */
function stripStream(content: string, start: number, stop: number, next: Sink): Sink {
  let leftAtStart = start
  let held = ''
  return {
    push: (part) => {
      let from = 0
      while (leftAtStart > 0 && part[from] === content) {
        from++
        leftAtStart--
      }
      if (from < part.length) leftAtStart = 0
      const text = held + part.slice(from)
      let to = text.length
      while (to > 0 && text.length - to < stop && text[to - 1] === content) to--
      held = text.slice(to)
      next.push(text.slice(0, to))
    },
    finish: () => next.finish(),
  }
}

/** The end-of-word mark is a space, except in the last token. */
function wordSuffix(suffix: string, next: Sink): Sink {
  let last: string | undefined
  return {
    push: (token) => {
      if (last !== undefined) next.push(last.replaceAll(suffix, ' '))
      last = token
    },
    finish: () => {
      if (last !== undefined) next.push(last.replaceAll(suffix, ''))
      next.finish()
    },
  }
}
