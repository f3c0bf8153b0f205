import { Detokenizer, type Tokenizer } from '../text/index.js'

/**
 * What a token adds to a text that it stands within: decoders drop the space of a text's first token, so that token is
 * read behind another. Part of a UTF-8 character shows as U+FFFD.
 */
export class TokenTexts {
  /** A word to stand before a token; its own text is not wanted. */
  readonly before: readonly number[]

  constructor(private readonly tokenizer: Tokenizer | undefined) {
    this.before = tokenizer?.encode('a', { addSpecialTokens: false }) ?? []
  }

  of(id: number): string {
    if (!this.tokenizer) return ''
    const detokenizer = new Detokenizer(this.tokenizer, { skipSpecialTokens: false })
    detokenizer.push(this.before)
    return detokenizer.push([id]) + detokenizer.finish()
  }
}
