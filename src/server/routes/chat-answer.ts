import type { Choice, Part, Result } from '../../index.js'
import type { ApiError } from '../http/api-error.js'
import type { ChatRequest } from '../schema/chat.js'
import type { Service } from '../service.js'
import { VERSION } from '../version.js'
import { bestChoices } from './best.js'
import { answerId, fingerprint, unixSeconds } from './identity.js'
import { chatLogprobs, promptLogprobs, type TokenName, tokenNames } from './logprobs.js'
import type { Answer } from './respond.js'
import { usageOf } from './usage.js'

/** OpenAI's chat completions. */
export class ChatAnswer implements Answer {
  readonly last = '[DONE]'
  private readonly head: object
  private readonly nameOf: TokenName
  private readonly begun = new Set<number>()

  constructor(
    service: Service,
    private readonly request: ChatRequest,
    private readonly promptIds: () => readonly number[],
  ) {
    this.head = {
      id: answerId('chatcmpl'),
      object: request.stream ? 'chat.completion.chunk' : 'chat.completion',
      created: unixSeconds(),
      model: request.model ?? service.modelName,
      system_fingerprint: fingerprint(service.llm, VERSION),
      ...(request.service_tier && { service_tier: 'default' }),
    }
    this.nameOf = tokenNames(request.return_tokens_as_token_ids)
  }

  whole(results: readonly Result[]): object {
    const [result] = results as [Result]
    const { prompt_logprobs: ofPrompt, return_token_ids: withIds } = this.request
    return {
      ...this.head,
      choices: bestChoices(this.request, result.choices).map((choice, index) => this.choice(choice, index)),
      usage: usageOf(results),
      ...(ofPrompt !== undefined && { prompt_logprobs: promptLogprobs(result.promptLogprobs ?? []) }),
      ...(withIds && { prompt_token_ids: this.promptIds() }),
    }
  }

  /** The role first, then what was written, then why it ended: each in a chunk of its own. */
  part({ index, text, tokenIds, logprobs, finishReason }: Part): readonly object[] {
    const chunks: object[] = []
    if (!this.begun.has(index)) {
      this.begun.add(index)
      chunks.push(this.chunk(index, { role: 'assistant', content: '' }, null))
    }
    if (text || logprobs?.length || (this.request.return_token_ids && tokenIds.length > 0)) {
      const extra = {
        ...(this.request.logprobs && { logprobs: chatLogprobs(logprobs ?? [], this.nameOf) }),
        ...(this.request.return_token_ids && { token_ids: tokenIds }),
      }
      chunks.push(this.chunk(index, { content: text }, null, extra))
    }
    if (finishReason) chunks.push(this.chunk(index, {}, finishReason))
    return chunks
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

  private chunk(index: number, delta: object, finishReason: string | null, extra: object = {}): object {
    const choice = { index, delta, logprobs: null, finish_reason: finishReason, ...extra }
    return { ...this.head, choices: [choice], ...(this.wantsUsage && { usage: null }) }
  }

  private choice(choice: Choice, index: number): object {
    const { text, tokenIds, logprobs, finishReason } = choice
    return {
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: this.request.logprobs ? chatLogprobs(logprobs ?? [], this.nameOf) : null,
      finish_reason: finishReason,
      ...(this.request.return_token_ids && { token_ids: tokenIds }),
    }
  }
}
