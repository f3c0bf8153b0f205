import type { LLM, Score } from '../../index.js'
import type { CompletionRequest } from '../schema/completion.js'
import type { ServedCall, Service } from '../service.js'
import { VERSION } from '../version.js'
import { promptEntries } from './completion-answer.js'
import { answerId, fingerprint, unixSeconds } from './identity.js'
import { completionLogprobs, tokenNames } from './logprobs.js'

type Prompt = string | readonly number[]

/** A completion of no tokens: prompts given back, with their log-probabilities where asked for. This is how evaluations score texts. */
export async function echoPrompts(
  service: Service,
  { call, end }: ServedCall,
  request: CompletionRequest,
  prompts: readonly Prompt[],
): Promise<object> {
  const { llm, modelName } = service
  try {
    const scores = await Promise.all(prompts.map((prompt) => score(llm, prompt, request, call.signal)))
    const tokens = prompts.reduce((sum, prompt) => sum + lengthOf(llm, prompt, request), 0)
    return {
      id: answerId('cmpl'),
      object: 'text_completion',
      created: unixSeconds(),
      model: request.model ?? modelName,
      system_fingerprint: fingerprint(llm, VERSION),
      choices: prompts.map((prompt, index) => echoed(service, request, prompt, index, scores[index])),
      usage: { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens },
    }
  } catch (error) {
    throw call.reason ?? error
  } finally {
    end()
  }
}

/** Nothing predicts a lone token. */
async function score(
  llm: LLM,
  prompt: Prompt,
  { logprobs }: CompletionRequest,
  signal: AbortSignal,
): Promise<Score | undefined> {
  if (logprobs === undefined || prompt.length < 2) return undefined
  return llm.score(prompt, { top: logprobs, signal })
}

function echoed(service: Service, request: CompletionRequest, prompt: Prompt, index: number, score?: Score): object {
  const { llm } = service
  const text =
    typeof prompt === 'string' ? prompt : llm.tokenizer ? llm.detokenize(prompt, { skipSpecialTokens: true }) : ''
  const entries = promptEntries(service, prompt, [undefined, ...(score?.logprobs ?? [])])
  const nameOf = tokenNames(request.return_tokens_as_token_ids)
  const logprobs = request.logprobs === undefined ? null : completionLogprobs(entries, nameOf, 0)
  return { index, text, logprobs, finish_reason: 'length' }
}

function lengthOf(llm: LLM, prompt: Prompt, { add_special_tokens: addSpecialTokens }: CompletionRequest): number {
  return typeof prompt === 'string' ? llm.tokenize(prompt, { addSpecialTokens }).length : prompt.length
}
