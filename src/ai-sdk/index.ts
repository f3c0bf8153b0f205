/**
 * Warpline as a provider of the Vercel AI SDK: `generateText`, `streamText`, `embed` and the rest run in process, with no HTTP
 * between. Needs `@ai-sdk/provider` (which `ai` brings).
 *
 * @packageDocumentation
 */
import { type EmbeddingModelV3, type LanguageModelV3, NoSuchModelError, type ProviderV3 } from '@ai-sdk/provider'
import type { LLM } from '../index.js'
import { WarplineEmbeddingModel } from './embedding-model.js'
import { WarplineLanguageModel } from './language-model.js'

/** Call it for the language model, or by the SDK's names. */
export interface WarplineProvider extends ProviderV3 {
  (modelId?: string): LanguageModelV3
  languageModel(modelId?: string): LanguageModelV3
  embeddingModel(modelId?: string): EmbeddingModelV3
}

/**
 * A provider of one loaded model, under the name that it was loaded by. `providerOptions.warpline` takes any option of
 * `llm.chat` that the SDK has no name for.
 */
export function createWarpline(llm: LLM): WarplineProvider {
  const { name } = llm.info
  const known = (modelId: string, modelType: 'languageModel' | 'embeddingModel') => {
    if (modelId !== name) throw new NoSuchModelError({ modelId, modelType })
  }
  const languageModel = (modelId = name) => {
    known(modelId, 'languageModel')
    return new WarplineLanguageModel(llm)
  }
  const embeddingModel = (modelId = name) => {
    known(modelId, 'embeddingModel')
    return new WarplineEmbeddingModel(llm)
  }
  const imageModel = (modelId: string): never => {
    throw new NoSuchModelError({ modelId, modelType: 'imageModel' })
  }
  const members = { specificationVersion: 'v3' as const, languageModel, embeddingModel, imageModel }
  return Object.assign((modelId?: string) => languageModel(modelId), members)
}
