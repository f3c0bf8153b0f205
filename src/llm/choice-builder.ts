import type { TokenLogprob as EngineLogprob } from '../engine/messages.js'
import { Detokenizer, StopStrings, type Tokenizer } from '../text/index.js'
import type { Choice, FinishReason, Part, TokenLogprob } from './result.js'
import type { TokenTexts } from './token-text.js'

export interface ChoiceOptions {
  readonly tokenizer: Tokenizer | undefined
  readonly stop: readonly string[]
  readonly tokenTexts: TokenTexts
  /** The text goes on with another one, so that a decoder keeps its first space. */
  readonly continues: boolean
  readonly stopIds: ReadonlySet<number>
  readonly skipSpecialTokens: boolean
}

/** Turns one choice's tokens into text as they come, and ends it where a stop text appears. */
export class ChoiceBuilder {
  readonly tokenIds: number[] = []
  finishReason: FinishReason | undefined
  private text = ''
  private readonly logprobs: TokenLogprob[] = []
  private cumulativeLogprob: number | undefined
  private score: number | undefined
  private readonly detokenizer: Detokenizer | undefined
  private readonly stops: StopStrings

  constructor(
    readonly prompt: number,
    readonly index: number,
    private readonly options: ChoiceOptions,
  ) {
    const { tokenizer, skipSpecialTokens } = options
    this.detokenizer = tokenizer && new Detokenizer(tokenizer, { skipSpecialTokens })
    if (options.continues) this.detokenizer?.push(options.tokenTexts.before)
    this.stops = new StopStrings(options.stop)
  }

  /** The part of the stream that these tokens make; undefined once the choice has ended. */
  push(ids: readonly number[], logprobs: readonly EngineLogprob[] | undefined): Part | undefined {
    if (this.finishReason) return undefined
    let text = ''
    let accepted = 0
    while (accepted < ids.length && !this.finishReason) {
      const id = ids[accepted++]!
      this.tokenIds.push(id)
      if (!this.options.stopIds.has(id)) text += this.read(id)
    }
    const fresh = logprobs?.slice(0, accepted).map((entry) => describeLogprob(entry, this.options.tokenTexts))
    if (fresh) {
      this.logprobs.push(...fresh)
      this.cumulativeLogprob = fresh.reduce((sum, { logprob }) => sum + logprob, this.cumulativeLogprob ?? 0)
    }
    return this.part(text, accepted === ids.length ? ids : ids.slice(0, accepted), fresh)
  }

  /** The text that the token makes certain; a stop text in it ends the choice. */
  private read(id: number): string {
    const { emit, stopped } = this.stops.push(this.detokenizer?.push(id) ?? '')
    if (stopped !== undefined) this.finishReason = 'stop'
    return emit
  }

  /** Text still held back (an unfinished character, the beginning of a stop text) comes out now. */
  finish(reason: FinishReason, score?: number): Part | undefined {
    if (score !== undefined) this.score = score
    if (this.finishReason) return undefined
    const rest = this.stops.push(this.detokenizer?.finish() ?? '')
    const text = rest.stopped === undefined ? rest.emit + this.stops.finish() : rest.emit
    this.finishReason = rest.stopped === undefined ? reason : 'stop'
    return this.part(text, [], undefined)
  }

  choice(): Choice {
    return {
      index: this.index,
      text: this.text,
      tokenIds: this.tokenIds,
      finishReason: this.finishReason ?? 'cancelled',
      ...(this.cumulativeLogprob !== undefined && {
        logprobs: this.logprobs,
        cumulativeLogprob: this.cumulativeLogprob,
      }),
      ...(this.score !== undefined && { score: this.score }),
    }
  }

  private part(text: string, tokenIds: readonly number[], logprobs: readonly TokenLogprob[] | undefined): Part {
    this.text += text
    const { prompt, index, finishReason } = this
    if (!logprobs && !finishReason) return { prompt, index, text, tokenIds }
    return { prompt, index, text, tokenIds, ...(logprobs && { logprobs }), ...(finishReason && { finishReason }) }
  }
}

export function describeLogprob(entry: EngineLogprob, texts: TokenTexts): TokenLogprob {
  return {
    tokenId: entry.id,
    token: texts.of(entry.id),
    logprob: entry.logprob,
    rank: entry.rank,
    top: entry.top.map(({ id, logprob }) => ({ tokenId: id, token: texts.of(id), logprob })),
  }
}
