import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamPart,
  LanguageModelV3StreamResult,
} from '@ai-sdk/provider'
import type { Generation, LLM, Result } from '../index.js'
import { type Asked, chatCall } from './call-options.js'
import { contentOf, finishReasonOf, usageOf } from './content.js'

/** A loaded model, as the SDK's interface has it. */
export class WarplineLanguageModel implements LanguageModelV3 {
  readonly specificationVersion = 'v3'
  readonly provider = 'warpline'
  readonly supportedUrls = {}

  constructor(private readonly llm: LLM) {}

  get modelId(): string {
    return this.llm.info.name
  }

  async doGenerate(options: LanguageModelV3CallOptions): Promise<LanguageModelV3GenerateResult> {
    const { messages, chatOptions, warnings } = chatCall(options)
    const result = await this.llm.chat(messages, chatOptions)
    options.abortSignal?.throwIfAborted()
    const [choice] = result.choices
    return {
      content: contentOf(choice!),
      finishReason: finishReasonOf(choice!.finishReason),
      usage: usageOf(result),
      providerMetadata: { warpline: { timing: { ...result.timing } } },
      response: { modelId: this.modelId, timestamp: new Date() },
      warnings,
    }
  }

  async doStream(options: LanguageModelV3CallOptions): Promise<LanguageModelV3StreamResult> {
    const asked = chatCall(options)
    const generation = this.llm.chat(asked.messages, asked.chatOptions)
    const parts = streamParts(generation, asked, this.modelId, options.abortSignal)
    const stream = new ReadableStream<LanguageModelV3StreamPart>(
      {
        async pull(controller) {
          const { done, value } = await parts.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        async cancel() {
          generation.cancel()
          await parts.return()
        },
      },
      { highWaterMark: 0 },
    )
    return { stream }
  }
}

async function* streamParts(
  generation: Generation<Result>,
  { warnings }: Asked,
  modelId: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<LanguageModelV3StreamPart, void, undefined> {
  yield { type: 'stream-start', warnings }
  yield { type: 'response-metadata', modelId, timestamp: new Date() }
  const id = 'text'
  let begun = false
  for await (const { text } of generation.stream()) {
    if (!text) continue
    if (!begun) yield { type: 'text-start', id }
    begun = true
    yield { type: 'text-delta', id, delta: text }
  }
  signal?.throwIfAborted()
  if (begun) yield { type: 'text-end', id }
  const result = await generation
  const [choice] = result.choices
  yield { type: 'finish', finishReason: finishReasonOf(choice!.finishReason), usage: usageOf(result) }
}
