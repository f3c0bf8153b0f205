import { WarplineError } from '../errors.js'
import { fromByteCharacters } from './byte-alphabet.js'
import { Detokenizer } from './detokenizer.js'
import type { Tokenizer } from './tokenizer.js'

/** What a vocabulary's tokens add to a text. */
export interface TokenBytes {
  /** UTF-8 by id, of a token that stands behind others; parts of characters too. Undefined for control tokens and missing ids. */
  readonly bytes: readonly (Uint8Array | undefined)[]
  /** Whether a text's first space is dropped when it is decoded. */
  readonly dropsFirstSpace: boolean
}

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/

/**
 * Errors: `grammar-unsupported` where a token's text depends on its neighbours, so that texts cannot be built from tokens one
 * at a time (end-of-word marks, cleaned-up spaces).
 */
export function tokenBytesOf(tokenizer: Tokenizer): TokenBytes {
  const { decoderStages } = tokenizer
  const byteCharacters = decoderStages.some((stage) => stage.tokensAre === 'byte-characters')
  if (decoderStages.some((stage) => stage.joins) || (byteCharacters && decoderStages.length > 1)) {
    throw new WarplineError(
      'grammar-unsupported',
      "this model's tokenizer joins tokens by rules that a mask cannot follow; check the output instead of constraining it",
    )
  }
  const bytes = byteCharacters ? byByteCharacters(tokenizer) : byText(tokenizer)
  return { bytes, dropsFirstSpace: dropsFirstSpace(tokenizer, bytes) }
}

function byByteCharacters(tokenizer: Tokenizer): (Uint8Array | undefined)[] {
  return eachToken(tokenizer, fromByteCharacters)
}

/** No stage joins tokens, so one stream gives each token's text by itself once something stands before it. */
function byText(tokenizer: Tokenizer): (Uint8Array | undefined)[] {
  const hasBytes = tokenizer.decoderStages.some((stage) => stage.tokensAre === 'text-and-bytes')
  const stream = new Detokenizer(tokenizer)
  stream.push(firstText(tokenizer))
  const encoder = new TextEncoder()
  return eachToken(tokenizer, (token, id) => {
    const byte = hasBytes ? BYTE_TOKEN.exec(token) : null
    return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : encoder.encode(stream.push(id))
  })
}

function eachToken(tokenizer: Tokenizer, bytesOf: (token: string, id: number) => Uint8Array) {
  return Array.from({ length: tokenizer.vocabSize }, (_, id) => {
    const token = tokenizer.tokenOf(id)
    return token === undefined || tokenizer.isSpecial(id) ? undefined : bytesOf(token, id)
  })
}

/** Any token that is neither control token nor byte. */
function firstText(tokenizer: Tokenizer): number[] {
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const token = tokenizer.tokenOf(id)
    if (token !== undefined && !tokenizer.isSpecial(id) && !BYTE_TOKEN.test(token)) return [id]
  }
  return []
}

function dropsFirstSpace(tokenizer: Tokenizer, bytes: readonly (Uint8Array | undefined)[]): boolean {
  const id = bytes.findIndex((text) => text !== undefined && text.length > 1 && text[0] === 0x20 && text[1]! > 0x20)
  return id >= 0 && !tokenizer.decode([id]).startsWith(' ')
}
