import { WarplineError } from '../errors.js'
import { type AddedToken, AddedTokenMatcher } from './added-tokens.js'
import { Bpe } from './bpe.js'
import { createDecoder, type DecoderStage } from './decoders.js'
import { type DecodeOptions, Detokenizer } from './detokenizer.js'
import { checkGrowth } from './growth.js'
import { MAX_ADDED_TOKEN_TEXT, MAX_TEXT_LENGTH } from './limits.js'
import { createNormalizer, type Normalizer } from './normalizers.js'
import { createFrame, type Frame } from './post-processor.js'
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizers.js'
import {
  conventionalTokens,
  parseTokenizerConfig,
  readChatTemplates,
  readSpecialTokens,
  type SpecialTokens,
  type TokenizerConfig,
} from './tokenizer-config.js'
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.js'
import { invalidTokenizer, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.js'
import { cleanUp, collectAddedTokens, makesAny, readModel } from './tokenizer-parts.js'

export interface EncodeOptions {
  /** Put the tokens before and after the text that the checkpoint asks for (Llama: BOS). Default: true. */
  addSpecialTokens?: boolean
  /** Read control tokens spelt in the text (`<|endoftext|>`) as those tokens. False: as the plain characters. Default: true. */
  allowSpecial?: boolean
}

/**
 * Text to token ids and back, exactly as Hugging Face tokenizers does it with the checkpoint's `tokenizer.json`.
 * Errors: `tokenizer-invalid` (a damaged or hostile file), `tokenizer-unsupported` (a kind of tokenizer Warpline has not got),
 * `tokenizer-unreadable`, `text-too-long`, `prompt-invalid` (no text), `token-id-invalid`.
 */
export class Tokenizer {
  /** Chat templates by name; the usual one is `default`. */
  readonly chatTemplates: ReadonlyMap<string, string>
  /**
   * The control tokens that the checkpoint names, by their spelling.
   * @internal
   */
  readonly specialTokens: SpecialTokens
  /** One more than the highest id: the least vocabulary a model for this tokenizer has. */
  readonly vocabSize: number
  /**
   * How tokens become text, for a `Detokenizer`.
   * @internal
   */
  readonly decoderStages: readonly DecoderStage[]

  readonly #tokens: (string | undefined)[] = []
  readonly #ids: Map<string, number>
  readonly #added: readonly AddedToken[]
  readonly #specialIds = new Set<number>()
  readonly #inRawText: AddedTokenMatcher
  readonly #inNormalizedText: AddedTokenMatcher | undefined
  readonly #normalize: Normalizer | undefined
  readonly #preTokenize: PreTokenizer
  readonly #model: Bpe
  /** Never makes a control token, whatever the merges say. Nearly always the same model. */
  readonly #plainModel: Bpe
  readonly #frame: Frame

  /** Reads the tokenizer of a model directory; undefined when it has none: a model may run on token ids alone. */
  static async load(modelDirectory: string): Promise<Tokenizer | undefined> {
    const files = await readTokenizerFiles(modelDirectory)
    return files && Tokenizer.fromFiles(files)
  }

  /**
   * Builds a tokenizer from the files' parsed contents.
   * @internal
   */
  static fromFiles(files: TokenizerFiles): Tokenizer {
    try {
      return new Tokenizer(files)
    } catch (error) {
      if (error instanceof WarplineError && error.code === 'text-too-long') {
        throw invalidTokenizer('its normalizer makes added tokens too long')
      }
      if (error instanceof WarplineError) throw error
      throw new WarplineError(
        'tokenizer-invalid',
        `the tokenizer's files cannot be used: ${String(error).slice(0, 200)}`,
        {
          cause: error,
        },
      )
    }
  }

  private constructor(files: TokenizerFiles) {
    const json = parseTokenizerJson(files.tokenizer)
    const config = parseTokenizerConfig(files.config ?? {})
    const spec = readModel(json)
    this.specialTokens = readSpecialTokens(config, files.specialTokensMap)
    this.chatTemplates = readChatTemplates(config, files)
    this.#added = collectAddedTokens(json, config, this.specialTokens, spec.vocabulary)
    if (Object.keys(this.specialTokens.named).length === 0) {
      this.specialTokens.named = conventionalTokens(this.#added.filter((token) => token.special))
    }
    this.#ids = new Map(spec.vocabulary)
    for (const token of this.#added) {
      this.#ids.set(token.content, token.id)
      if (token.special) this.#specialIds.add(token.id)
    }
    for (const [token, id] of this.#ids) this.#tokens[id] = token
    const normalize = json.normalizer ? createNormalizer(json.normalizer) : undefined
    const soughtAs = (token: AddedToken) => (token.normalized && normalize ? normalize(token.content) : token.content)
    // As in the reference, a token that is sought in normalized text also decodes to its normalized spelling.
    let spelled = 0
    for (const token of this.#added) {
      const spelling = soughtAs(token)
      spelled += spelling.length
      if (spelled > MAX_ADDED_TOKEN_TEXT) {
        throw invalidTokenizer(`its added tokens have more than ${MAX_ADDED_TOKEN_TEXT} characters`)
      }
      this.#tokens[token.id] = spelling
    }
    this.vocabSize = this.#tokens.length

    const normalized = this.#added.filter((token) => token.normalized)
    this.#normalize = normalize
    this.#inRawText = new AddedTokenMatcher(
      this.#added.filter((token) => !token.normalized).map((token) => [token.content, token]),
    )
    if (normalized.length > 0) {
      this.#inNormalizedText = new AddedTokenMatcher(normalized.map((token) => [soughtAs(token), token]))
    }
    this.#preTokenize = json.pre_tokenizer ? createPreTokenizer(json.pre_tokenizer) : (pieces) => [...pieces]
    this.#model = new Bpe(spec)
    this.#plainModel = makesAny(spec, this.#specialIds)
      ? new Bpe({ ...spec, forbidden: this.#specialIds })
      : this.#model
    this.#frame = this.#readFrame(json, config)
    this.decoderStages = [...createDecoder(json.decoder), ...cleanUp(config)]
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    if (typeof text !== 'string') {
      throw new WarplineError('prompt-invalid', `a text to encode must be a string, not ${kindOf(text)}`)
    }
    const ids: number[] = []
    if (options.addSpecialTokens !== false) ids.push(...this.#frame.before)
    if (options.allowSpecial !== false) {
      this.#encode(text, ids, this.#model)
    } else {
      const refuses = (token: AddedToken) => token.special
      this.#encode(text, ids, this.#plainModel, refuses, () => refuses)
    }
    if (options.addSpecialTokens !== false) ids.push(...this.#frame.after)
    return ids
  }

  /**
   * Encodes text in which some spellings of control tokens are plain characters: those with one of the `barriers`, ascending
   * positions in UTF-16 units, strictly between their first and last character. Where tokens are sought in normalized
   * text, none of `guarded` is found between two others if the stretch has a barrier. Adds no tokens around the text.
   */
  encodeWithBarriers(text: string, barriers: readonly number[], guarded: ReadonlySet<number>): number[] {
    const ids: number[] = []
    const anyBetween = (start: number, end: number) => {
      let [low, high] = [0, barriers.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (barriers[middle]! <= start) low = middle + 1
        else high = middle
      }
      return low < barriers.length && barriers[low]! < end
    }
    this.#encode(
      text,
      ids,
      this.#plainModel,
      (_token, start, end) => anyBetween(start, end),
      (start, end) => (anyBetween(start - 1, end) ? (token) => guarded.has(token.id) : undefined),
    )
    return ids
  }

  /** The text of `ids`. Ids without a token, as models pad their vocabulary with, have none. */
  decode(ids: Iterable<number>, options?: DecodeOptions): string {
    const detokenizer = new Detokenizer(this, options)
    return detokenizer.push(ids) + detokenizer.finish()
  }

  /** The usual chat template, as Jinja text. */
  get chatTemplate(): string | undefined {
    return this.chatTemplates.get('default')
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token)
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id]
  }

  /** Whether the id is a control token: no part of a text, skipped by `skipSpecialTokens`. */
  isSpecial(id: number): boolean {
    return this.#specialIds.has(id)
  }

  /**
   * Control tokens and words that were added to the vocabulary, by id.
   * @internal
   */
  get addedTokens(): readonly Readonly<AddedToken>[] {
    return this.#added
  }

  get bosTokenId(): number | undefined {
    return this.#idOfNamed('bos_token')
  }

  get eosTokenId(): number | undefined {
    return this.#idOfNamed('eos_token')
  }

  get padTokenId(): number | undefined {
    return this.#idOfNamed('pad_token')
  }

  get unkTokenId(): number | undefined {
    return this.#idOfNamed('unk_token')
  }

  #idOfNamed(name: keyof SpecialTokens['named']): number | undefined {
    const token = this.specialTokens.named[name]
    return token === undefined ? undefined : this.#ids.get(token)
  }

  /** `add_bos_token` and `add_eos_token`, where given, replace the post-processor (transformers 5). */
  #readFrame(json: TokenizerJson, config: TokenizerConfig): Frame {
    const { add_bos_token: bos, add_eos_token: eos } = config
    if (typeof bos !== 'boolean' && typeof eos !== 'boolean') {
      return json.post_processor ? createFrame(json.post_processor) : { before: [], after: [] }
    }
    const [bosId, eosId] = [this.bosTokenId, this.eosTokenId]
    return {
      before: bos && bosId !== undefined ? [bosId] : [],
      after: eos && eosId !== undefined ? [eosId] : [],
    }
  }

  #encode(
    text: string,
    out: number[],
    model: Bpe,
    refuses?: (token: AddedToken, start: number, end: number) => boolean,
    refusesWithin?: (start: number, end: number) => ((token: AddedToken) => boolean) | undefined,
  ): void {
    if (text.length > MAX_TEXT_LENGTH) {
      throw new WarplineError(
        'text-too-long',
        `the text has ${text.length} characters; at most ${MAX_TEXT_LENGTH} are encoded at once, so split it`,
      )
    }
    let total = 0
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd')
    for (const { start, end, token } of this.#inRawText.split(wellFormed, refuses)) {
      if (token !== undefined) {
        out.push(token.id)
        continue
      }
      const section = wellFormed.slice(start, end)
      const normalized = this.#normalize === undefined ? section : this.#normalize(section)
      total += normalized.length
      checkGrowth(total, text.length)
      if (this.#inNormalizedText === undefined) {
        this.#encodeWords(normalized, start === 0, out, model)
        continue
      }
      for (const part of this.#inNormalizedText.split(normalized, refusesWithin?.(start, end))) {
        if (part.token !== undefined) out.push(part.token.id)
        else this.#encodeWords(normalized.slice(part.start, part.end), start === 0 && part.start === 0, out, model)
      }
    }
  }

  #encodeWords(text: string, atTextStart: boolean, out: number[], model: Bpe): void {
    if (text === '') return
    for (const word of this.#preTokenize([text], atTextStart)) model.encode(word, out)
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
