import type { Hono } from 'hono'
import type { GenerateOptions, LLM } from '../../index.js'
import type { Environment } from '../environment.js'
import { invalid } from '../http/api-error.js'
import { readBody } from '../http/json-body.js'
import { type CompletionRequest, completionSchema } from '../schema/completion.js'
import { COMPLETION_REFUSALS, refuse } from '../schema/refused.js'
import { choiceCounts, samplingOptions } from '../schema/sampling.js'
import type { Service } from '../service.js'
import { CompletionAnswer } from './completion-answer.js'
import { echoPrompts } from './echo.js'
import { respond } from './respond.js'

/** OpenAI's default, where a request does not say. */
const MAX_TOKENS = 16

export function completionRoutes(app: Hono<Environment>, service: Service): void {
  const { llm, settings } = service
  const limits = { ...settings, ...settings.limits }
  const schema = completionSchema(settings.limits)
  app.post('/v1/completions', async (c) => {
    const request = await readBody(c, schema, limits)
    refuse(request, COMPLETION_REFUSALS)
    service.checkModel(request.model)
    checkCombinations(request, settings.limits.prompts * settings.limits.choices)
    const options = completionOptions(request, llm)
    const prompts = promptsOf(request, llm)
    note(c.get('notes'), request)
    const served = service.begin(c.get('key'), prompts.length, c.req.raw.signal, request.timeout)
    if (request.max_tokens === 0) return c.json(await echoPrompts(service, served, request, prompts))
    const answer = new CompletionAnswer(service, request, prompts)
    const start = () => llm.generate(prompts, { ...options, signal: served.call.signal })
    return respond(c, service, served, start, answer, request.stream === true)
  })
}

function checkCombinations(request: CompletionRequest, mostChoices: number): void {
  const { stream, echo, logprobs, prompt_logprobs: ofPrompt, max_tokens: maxTokens } = request
  const { wanted, made } = choiceCounts(request)
  const prompts = Array.isArray(request.prompt) && typeof request.prompt[0] !== 'number' ? request.prompt.length : 1
  if (prompts * made > mostChoices) throw invalid('n', `${prompts} prompts of ${made} choices are too many`)
  if (request.stream_options && !stream) throw invalid('stream_options', 'stream_options needs stream: true')
  if (stream && made > wanted) throw invalid('best_of', 'a stream cannot wait for the best: leave best_of out')
  if (stream && ofPrompt !== undefined) throw invalid('prompt_logprobs', 'prompt_logprobs cannot be streamed')
  if (stream && echo && logprobs !== undefined) throw invalid('echo', 'echo with logprobs cannot be streamed')
  if (maxTokens === 0 && (!echo || stream)) {
    throw invalid('max_tokens', 'max_tokens is 0: only a prompt that is echoed, and not streamed, needs no new token')
  }
}

/** One list of prompts, each a text or token ids. Without any, a text begins from nothing. */
function promptsOf(request: CompletionRequest, llm: LLM): (string | number[])[] {
  const { prompt = '', echo, logprobs, add_special_tokens: addSpecialTokens } = request
  const list = (Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt : [prompt]) as (string | number[])[]
  const needsIds = request.return_token_ids || (echo && logprobs !== undefined)
  return needsIds ? list.map((each) => idsOf(each, llm, addSpecialTokens)) : list
}

function idsOf(prompt: string | number[], llm: LLM, addSpecialTokens: boolean | undefined): string | number[] {
  if (typeof prompt !== 'string') return prompt
  const ids = llm.tokenize(prompt, { addSpecialTokens })
  return ids.length > 0 ? ids : prompt
}

function completionOptions(request: CompletionRequest, llm: LLM): GenerateOptions {
  const { echo, logprobs, max_tokens: maxTokens } = request
  const { wanted, made } = choiceCounts(request)
  return {
    ...samplingOptions(request, llm.defaults.temperature ?? 1),
    maxTokens: maxTokens ?? MAX_TOKENS,
    // The best are the likeliest: their log-probabilities are needed whoever asked.
    logprobs: logprobs ?? (made > wanted ? 0 : undefined),
    ...(echo && logprobs !== undefined && { promptLogprobs: Math.max(logprobs, request.prompt_logprobs ?? 0) }),
  }
}

function note(notes: Record<string, unknown>, { user, stream, n }: CompletionRequest): void {
  Object.assign(notes, { ...(user && { user }), ...(stream && { stream }), ...(n && n > 1 && { n }) })
}
