import type { EngineEvent, EngineUsage, PromptEvent } from '../engine/messages.js'
import { WarplineError } from '../errors.js'
import { ChoiceBuilder, type ChoiceOptions, describeLogprob } from './choice-builder.js'
import type { RequestHandle } from './engine-client.js'
import type { Part, Result } from './result.js'

/** One prompt of a call: collects its engine events into parts of the stream and, at the end, a result. */
export class PromptRun {
  handle: RequestHandle | undefined
  failure: WarplineError | undefined
  result: Result | undefined
  private readonly choices: ChoiceBuilder[]
  private readonly started = performance.now()
  private firstTokenAt: number | undefined
  private prompt: PromptEvent | undefined

  constructor(
    readonly index: number,
    choiceCount: number,
    private readonly options: ChoiceOptions & {
      readonly onPart: (part: Part) => void
      readonly onEnd: (run: PromptRun) => void
    },
  ) {
    this.choices = Array.from({ length: choiceCount }, (_, i) => new ChoiceBuilder(index, i, options))
  }

  get ended(): boolean {
    return this.result !== undefined || this.failure !== undefined
  }

  on(event: EngineEvent): void {
    if (this.ended) return
    switch (event.type) {
      case 'prompt':
        this.prompt = event
        return
      case 'tokens': {
        this.firstTokenAt ??= performance.now()
        const choice = this.choices[event.index]!
        const part = choice.push(event.ids, event.logprobs)
        if (part?.finishReason) this.handle?.stopChoice(event.index)
        if (part) this.options.onPart(part)
        return
      }
      case 'finish': {
        const part = this.choices[event.index]!.finish(event.reason, event.score)
        if (event.last) this.result = this.assemble(event.usage)
        if (part) this.options.onPart(part)
        if (event.last) this.options.onEnd(this)
        return
      }
      case 'failure':
        this.fail(new WarplineError(event.code, event.message))
    }
  }

  fail(error: WarplineError): void {
    if (this.ended) return
    this.failure = error
    this.options.onEnd(this)
  }

  private assemble(usage: EngineUsage): Result {
    // A beam search may end with fewer hypotheses than were asked for.
    const choices = this.choices.filter((choice) => choice.finishReason).map((choice) => choice.choice())
    const completionTokens = choices.reduce((sum, choice) => sum + choice.tokenIds.length, 0)
    const { promptTokens, cachedTokens } = usage
    const { tokenTexts } = this.options
    return {
      text: choices[0]!.text,
      choices,
      usage: { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, cachedTokens },
      timing: this.timing(usage, completionTokens),
      ...(this.prompt?.logprobs && {
        promptLogprobs: this.prompt.logprobs.map((entry) => entry && describeLogprob(entry, tokenTexts)),
      }),
      ...(this.prompt?.hiddenStates && { hiddenStates: splitRows(this.prompt.hiddenStates, promptTokens) }),
    }
  }

  private timing({ queuedMs, promptMs, promptTokens, cachedTokens }: EngineUsage, completionTokens: number) {
    const now = performance.now()
    const first = this.firstTokenAt ?? now
    // A beam search shows its tokens at the end; they were made from the prompt's end on.
    const sincePrompt = now - this.started - promptMs
    return {
      queuedMs,
      timeToFirstTokenMs: first - this.started,
      totalMs: now - this.started,
      promptTokensPerSecond: rate(promptTokens - cachedTokens, promptMs - queuedMs),
      tokensPerSecond: rate(completionTokens - this.choices.length, sincePrompt),
    }
  }
}

function rate(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (Math.max(0, count) * 1000) / milliseconds : 0
}

function splitRows(values: Float32Array, rows: number): Float32Array[] {
  const width = values.length / rows
  return Array.from({ length: rows }, (_, i) => values.slice(i * width, (i + 1) * width))
}
