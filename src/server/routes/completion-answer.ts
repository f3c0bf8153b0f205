import type { Choice, Part, Result, TokenLogprob } from '../../index.js'
import type { ApiError } from '../http/api-error.js'
import type { CompletionRequest } from '../schema/completion.js'
import { choiceCounts } from '../schema/sampling.js'
import type { Service } from '../service.js'
import { VERSION } from '../version.js'
import { bestChoices } from './best.js'
import { answerId, fingerprint, unixSeconds } from './identity.js'
import { completionLogprobs, promptLogprobs, type TokenName, tokenNames, type Unpredicted } from './logprobs.js'
import type { Answer } from './respond.js'
import { usageOf } from './usage.js'

/** OpenAI's text completions. Choices are numbered through: those of the first prompt, of the second, and so on. */
export class CompletionAnswer implements Answer {
  readonly last = '[DONE]'
  private readonly head: object
  private readonly nameOf: TokenName
  private readonly wanted: number
  /** Of streamed choices: characters so far, where the next token's text begins. */
  private readonly offsets = new Map<number, number>()

  constructor(
    private readonly service: Service,
    private readonly request: CompletionRequest,
    private readonly prompts: readonly (string | readonly number[])[],
  ) {
    const { llm, modelName } = service
    this.head = {
      id: answerId('cmpl'),
      object: 'text_completion',
      created: unixSeconds(),
      model: request.model ?? modelName,
      system_fingerprint: fingerprint(llm, VERSION),
      ...(request.service_tier && { service_tier: 'default' }),
    }
    this.nameOf = tokenNames(request.return_tokens_as_token_ids)
    this.wanted = choiceCounts(request).wanted
  }

  whole(results: readonly Result[]): object {
    const choices = results.flatMap((result, prompt) =>
      bestChoices(this.request, result.choices).map((choice, i) =>
        this.choice(result, choice, prompt, prompt * this.wanted + i),
      ),
    )
    return { ...this.head, choices, usage: usageOf(results) }
  }

  part({ prompt, index, text, tokenIds, logprobs, finishReason }: Part): readonly object[] {
    const number = prompt * this.wanted + index
    const begins = !this.offsets.has(number)
    const offset = this.offsets.get(number) ?? 0
    const echoed = begins && this.request.echo ? this.promptText(prompt) : ''
    this.offsets.set(number, offset + echoed.length + tokensLength(logprobs))
    if (!begins && !text && !finishReason && !logprobs?.length && !this.request.return_token_ids) return []
    const choice = {
      index: number,
      text: echoed + text,
      logprobs: this.request.logprobs === undefined ? null : this.columns(logprobs ?? [], offset + echoed.length),
      finish_reason: finishReason ?? null,
      ...(this.request.return_token_ids && {
        token_ids: tokenIds,
        ...(begins && { prompt_token_ids: this.prompts[prompt] }),
      }),
    }
    return [{ ...this.head, choices: [choice], ...(this.wantsUsage && { usage: null }) }]
  }

  end(results: readonly Result[]): readonly object[] {
    return this.wantsUsage ? [{ ...this.head, choices: [], usage: usageOf(results) }] : []
  }

  failure(error: ApiError): object {
    return error.body()
  }

  private get wantsUsage(): boolean {
    return this.request.stream_options?.include_usage === true
  }

  private choice(result: Result, choice: Choice, prompt: number, index: number): object {
    const { echo, logprobs, prompt_logprobs: ofPrompt, return_token_ids: withIds } = this.request
    const echoed = echo ? this.promptText(prompt) : ''
    const before = echo && logprobs !== undefined ? this.promptEntries(result, prompt) : []
    const entries = [...before, ...(choice.logprobs ?? [])]
    const offset = echoed.length - before.reduce((sum, { token }) => sum + token.length, 0)
    return {
      index,
      text: echoed + choice.text,
      logprobs: logprobs === undefined ? null : this.columns(entries, Math.max(0, offset)),
      finish_reason: choice.finishReason,
      ...(ofPrompt !== undefined && { prompt_logprobs: promptLogprobs(result.promptLogprobs ?? []) }),
      ...(withIds && { token_ids: choice.tokenIds, prompt_token_ids: this.prompts[prompt] }),
    }
  }

  private columns(entries: readonly (TokenLogprob | Unpredicted)[], offset: number): object {
    return completionLogprobs(entries, this.nameOf, offset)
  }

  private promptText(prompt: number): string {
    const { llm } = this.service
    const given = this.prompts[prompt]!
    return typeof given === 'string' ? given : llm.tokenizer ? llm.detokenize(given, { skipSpecialTokens: true }) : ''
  }

  private promptEntries({ promptLogprobs: entries = [] }: Result, prompt: number): (TokenLogprob | Unpredicted)[] {
    return promptEntries(this.service, this.prompts[prompt]!, entries)
  }
}

/** A prompt's tokens with their log-probabilities; the first has none. */
export function promptEntries(
  { llm }: Service,
  prompt: string | readonly number[],
  entries: readonly (TokenLogprob | undefined)[],
): (TokenLogprob | Unpredicted)[] {
  return entries.flatMap((entry, i) => {
    if (entry) return [entry]
    const tokenId = prompt[i]
    if (typeof tokenId !== 'number') return []
    return [{ tokenId, token: llm.tokenizer ? llm.detokenize([tokenId]) : '' }]
  })
}

function tokensLength(logprobs: readonly TokenLogprob[] | undefined): number {
  return logprobs?.reduce((sum, { token }) => sum + token.length, 0) ?? 0
}
