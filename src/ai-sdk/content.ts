import type { LanguageModelV3Content, LanguageModelV3FinishReason, LanguageModelV3Usage } from '@ai-sdk/provider'
import type { Choice, FinishReason, Result } from '../index.js'

export function contentOf({ text }: Choice): LanguageModelV3Content[] {
  return text ? [{ type: 'text', text }] : []
}

const UNIFIED = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool-calls',
  cancelled: 'other',
} as const satisfies Record<FinishReason, LanguageModelV3FinishReason['unified']>

export function finishReasonOf(raw: FinishReason): LanguageModelV3FinishReason {
  return { unified: UNIFIED[raw], raw }
}

export function usageOf({ usage }: Result): LanguageModelV3Usage {
  const { promptTokens, completionTokens, cachedTokens } = usage
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completionTokens, text: completionTokens, reasoning: undefined },
  }
}
