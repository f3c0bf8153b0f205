import { WarplineError } from '../errors.js'
import type { DecoderStage, Sink } from './decoders.js'

/** What a detokenizer asks of its tokenizer. */
export interface TokenSource {
  tokenOf(id: number): string | undefined
  isSpecial(id: number): boolean
  readonly decoderStages: readonly DecoderStage[]
}

export interface DecodeOptions {
  /** Leave control tokens out of the text. Default: false. */
  skipSpecialTokens?: boolean
}

/**
 * Turns a stream of token ids into a stream of text. No piece ends within a character, and the pieces together are
 * exactly `tokenizer.decode` of all the ids. A token costs the same wherever it stands. One detokenizer serves one text.
 */
export class Detokenizer {
  readonly #tokens: TokenSource
  readonly #skipsSpecial: boolean
  readonly #head: Sink
  #text = ''

  constructor(tokenizer: TokenSource, options: DecodeOptions = {}) {
    this.#tokens = tokenizer
    this.#skipsSpecial = options.skipSpecialTokens ?? false
    const tail: Sink = {
      push: (part) => {
        this.#text += part
      },
      finish: () => {},
    }
    this.#head = tokenizer.decoderStages.reduceRight((next, stage) => stage.attach(next), tail)
  }

  /**
   * The text that `ids` make certain, often an empty string: a character's other bytes may be still to come. Ids without a
   * token (models pad their vocabulary) have no text.
   */
  push(ids: number | Iterable<number>): string {
    if (typeof ids === 'number') this.#take(ids)
    else if (isIterable(ids)) for (const id of ids) this.#take(id)
    else throw new WarplineError('token-id-invalid', 'token ids must come in an array or another iterable of numbers')
    return this.#drain()
  }

  /** The rest; an unfinished character becomes U+FFFD. */
  finish(): string {
    this.#head.finish()
    return this.#drain()
  }

  #take(id: number): void {
    if (!Number.isInteger(id) || id < 0) {
      throw new WarplineError('token-id-invalid', `${shown(id)} is no token id; ids are whole numbers from 0 on`)
    }
    if (this.#skipsSpecial && this.#tokens.isSpecial(id)) return
    const token = this.#tokens.tokenOf(id)
    if (token !== undefined) this.#head.push(token)
  }

  #drain(): string {
    const text = this.#text
    this.#text = ''
    return text
  }
}

/** A string is an iterable too, but not of ids. */
function isIterable(value: unknown): value is Iterable<number> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' || value == null ? String(value) : `a ${typeof value}`
}
