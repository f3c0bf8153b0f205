import {
  type EmbeddingModelV3,
  type EmbeddingModelV3CallOptions,
  type EmbeddingModelV3Result,
  TooManyEmbeddingValuesForCallError,
} from '@ai-sdk/provider'
import type { EmbedOptions, LLM } from '../index.js'

const MOST_VALUES = 2048

/** Texts' vectors: their final hidden states, pooled. */
export class WarplineEmbeddingModel implements EmbeddingModelV3 {
  readonly specificationVersion = 'v3'
  readonly provider = 'warpline'
  readonly maxEmbeddingsPerCall = MOST_VALUES
  readonly supportsParallelCalls = true

  constructor(private readonly llm: LLM) {}

  get modelId(): string {
    return this.llm.info.name
  }

  async doEmbed(options: EmbeddingModelV3CallOptions): Promise<EmbeddingModelV3Result> {
    const { values, abortSignal: signal, providerOptions } = options
    if (values.length > MOST_VALUES) {
      const { provider, modelId } = this
      throw new TooManyEmbeddingValuesForCallError({ provider, modelId, maxEmbeddingsPerCall: MOST_VALUES, values })
    }
    const embeddings = await this.llm
      .embed(values, { ...(providerOptions?.warpline as EmbedOptions), signal })
      .catch((error) => {
        signal?.throwIfAborted()
        throw error
      })
    return {
      embeddings: embeddings.map(({ vector }) => Array.from(vector)),
      usage: { tokens: embeddings.reduce((sum, { tokens }) => sum + tokens, 0) },
      warnings: [],
    }
  }
}
