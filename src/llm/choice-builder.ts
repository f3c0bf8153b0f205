import type { TokenLogprob as EngineLogprob } from '../engine/messages.js'
import { Detokenizer, StopStrings, type Tokenizer } from '../text/index.js'
import { AnswerBuilder, type AnswerFormat, type AnswerPart } from './answer-builder.js'
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
  /** Of a chat whose answers have parts. */
  readonly answer?: AnswerFormat | undefined
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
  private readonly answer: AnswerBuilder | undefined

  constructor(
    readonly prompt: number,
    readonly index: number,
    private readonly options: ChoiceOptions,
  ) {
    const { tokenizer, skipSpecialTokens, answer } = options
    const shown = tokenizer && withoutSpecial(tokenizer, answer?.shownIds)
    this.detokenizer = shown && new Detokenizer(shown, { skipSpecialTokens })
    this.answer = answer && new AnswerBuilder(answer)
    if (options.continues) this.detokenizer?.push(options.tokenTexts.before)
    this.stops = new StopStrings(options.stop)
  }

  /** The part of the stream that these tokens make; undefined once the choice has ended. */
  push(ids: readonly number[], logprobs: readonly EngineLogprob[] | undefined): Part | undefined {
    if (this.finishReason) return undefined
    const fresh: TokenLogprob[] = []
    const accepted: number[] = []
    let text = ''
    for (const [i, id] of ids.entries()) {
      accepted.push(id)
      if (logprobs?.[i]) fresh.push(describeLogprob(logprobs[i], this.options.tokenTexts))
      if (this.options.stopIds.has(id)) continue
      const found = this.stops.push(this.detokenizer?.push([id]) ?? '')
      text += found.emit
      if (found.stopped !== undefined) {
        this.finishReason = 'stop'
        break
      }
    }
    this.tokenIds.push(...accepted)
    this.logprobs.push(...fresh)
    if (logprobs) this.cumulativeLogprob = this.logprobs.reduce((sum, { logprob }) => sum + logprob, 0)
    return this.part(this.read(text), accepted, logprobs && fresh)
  }

  /** Text still held back (an unfinished character, the beginning of a stop text) comes out now. */
  finish(reason: FinishReason, score?: number): Part | undefined {
    if (score !== undefined) this.score = score
    if (this.finishReason) return undefined
    const rest = this.stops.push(this.detokenizer?.finish() ?? '')
    const text = rest.stopped === undefined ? rest.emit + this.stops.finish() : rest.emit
    const part = this.read(text)
    this.finishReason ??= rest.stopped === undefined ? reason : 'stop'
    return this.part(joinParts(part, this.answer?.finish()), [], undefined)
  }

  choice(): Choice {
    return {
      index: this.index,
      ...(this.answer?.result() ?? { text: this.text }),
      tokenIds: this.tokenIds,
      finishReason: this.finishReason ?? 'cancelled',
      ...(this.cumulativeLogprob !== undefined && {
        logprobs: this.logprobs,
        cumulativeLogprob: this.cumulativeLogprob,
      }),
      ...(this.score !== undefined && { score: this.score }),
    }
  }

  /** The text's parts; a choice that has stopped, or called its only tool, holds nothing back. */
  private read(text: string): AnswerPart {
    if (!this.answer) return { text }
    const part = this.answer.push(text)
    if (this.answer.done) this.finishReason = 'tool_calls'
    return this.finishReason ? joinParts(part, this.answer.finish()) : part
  }

  private part(read: AnswerPart, tokenIds: readonly number[], logprobs: readonly TokenLogprob[] | undefined): Part {
    this.text += read.text
    if (this.finishReason === 'stop' && this.answer?.hasCalls) this.finishReason = 'tool_calls'
    const { prompt, index, finishReason } = this
    return { prompt, index, ...read, tokenIds, ...(logprobs && { logprobs }), ...(finishReason && { finishReason }) }
  }
}

function joinParts(a: AnswerPart, b: AnswerPart | undefined): AnswerPart {
  if (!b) return a
  const reasoning = (a.reasoning ?? '') + (b.reasoning ?? '')
  const toolCalls = [...(a.toolCalls ?? []), ...(b.toolCalls ?? [])]
  return {
    text: a.text + b.text,
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  }
}

/** The tokenizer with some of its control tokens as plain ones. */
function withoutSpecial(tokenizer: Tokenizer, shown: ReadonlySet<number> | undefined) {
  if (!shown || shown.size === 0) return tokenizer
  return {
    decoderStages: tokenizer.decoderStages,
    tokenOf: (id: number) => tokenizer.tokenOf(id),
    isSpecial: (id: number) => tokenizer.isSpecial(id) && !shown.has(id),
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
