import type { Result } from '../../index.js'

/** OpenAI's account of a request, over all its prompts and choices. */
export function usageOf(results: readonly Result[]): object {
  const sum = (of: (result: Result) => number) => results.reduce((total, result) => total + of(result), 0)
  const prompt = sum(({ usage }) => usage.promptTokens)
  const completion = sum(({ usage }) => usage.completionTokens)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum(({ usage }) => usage.cachedTokens) },
  }
}
