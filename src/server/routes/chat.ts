import type { Hono } from 'hono'
import type { ChatOptions, LLM } from '../../index.js'
import type { Environment, Notes } from '../environment.js'
import { invalid, unsupported } from '../http/api-error.js'
import { readBody } from '../http/json-body.js'
import { type ChatRequest, chatMessages, chatSchema } from '../schema/chat.js'
import { CHAT_REFUSALS, refuse } from '../schema/refused.js'
import { choiceCounts, samplingOptions } from '../schema/sampling.js'
import type { Service } from '../service.js'
import { ChatAnswer } from './chat-answer.js'
import { respond } from './respond.js'

export function chatRoutes(app: Hono<Environment>, service: Service): void {
  const { llm, settings } = service
  const limits = { ...settings, ...settings.limits }
  const schema = chatSchema(settings.limits)
  app.post('/v1/chat/completions', async (c) => {
    const request = await readBody(c, schema, limits)
    refuse(request, CHAT_REFUSALS)
    service.checkModel(request.model)
    checkCombinations(request)
    const options = chatOptions(request, llm)
    const messages = chatMessages(request.messages)
    note(c.get('notes'), request)
    const served = service.begin(c.get('key'), 1, c.req.raw.signal, request.timeout)
    const answer = new ChatAnswer(service, request, () => llm.tokenizeChat(messages, promptOptions(request, llm)))
    const start = () => llm.chat(messages, { ...options, signal: served.call.signal })
    return respond(c, service, served, start, answer, request.stream === true)
  })
}

function checkCombinations(request: ChatRequest): void {
  const { stream, logprobs, top_logprobs: top, tools, tool_choice: choice } = request
  const { wanted, made } = choiceCounts(request)
  if (request.stream_options && !stream) throw invalid('stream_options', 'stream_options needs stream: true')
  if (stream && made > wanted) throw invalid('best_of', 'a stream cannot wait for the best: leave best_of out')
  if (stream && request.prompt_logprobs !== undefined) {
    throw invalid('prompt_logprobs', 'prompt_logprobs cannot be streamed')
  }
  if (top !== undefined && logprobs !== true) throw invalid('top_logprobs', 'top_logprobs needs logprobs: true')
  if (request.max_tokens === 0) throw invalid('max_tokens', 'max_tokens is 0; ask for at least 1 token')
  if (request.max_tokens !== undefined && request.max_completion_tokens !== undefined) {
    throw invalid('max_tokens', 'max_tokens is the older name of max_completion_tokens; give one of them')
  }
  if (!tools?.length) {
    if (choice !== undefined && choice !== 'none') throw invalid('tool_choice', 'tool_choice needs tools')
    if (request.parallel_tool_calls === false) throw invalid('parallel_tool_calls', 'parallel_tool_calls needs tools')
  }
}

/** Options of tools that the library may come to have; until it has them it says so, and the caller is told. */
interface ToolOptions {
  readonly toolChoice?: unknown
  readonly parallelToolCalls?: boolean
}

function chatOptions(request: ChatRequest, llm: LLM): ChatOptions & ToolOptions {
  const { logprobs, top_logprobs: top = 0, tool_choice: choice, parallel_tool_calls: parallel } = request
  const { wanted, made } = choiceCounts(request)
  const tools = request.tools?.length ? request.tools : undefined
  return {
    ...samplingOptions(request, llm.defaults.temperature ?? 1),
    ...promptOptions(request, llm),
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? defaultLength(llm),
    logprobs: logprobs ? top : made > wanted ? 0 : undefined,
    ...(tools && choice !== undefined && { toolChoice: choice }),
    ...(tools && parallel === false && { parallelToolCalls: false }),
  }
}

/** As long as the model wants, unless the checkpoint knows better. */
function defaultLength({ defaults }: LLM): 'context' | undefined {
  return defaults.maxTokens === undefined && defaults.maxLength === undefined ? 'context' : undefined
}

function promptOptions(request: ChatRequest, llm: LLM): ChatOptions {
  const { tools, documents, add_generation_prompt: addGenerationPrompt, chat_template_kwargs: variables } = request
  const effort = reasoningEffort(request, llm)
  return {
    ...(tools?.length && { tools }),
    ...(documents && { documents }),
    addGenerationPrompt,
    ...((variables || effort) && { templateVariables: { ...variables, ...effort } }),
  }
}

/** For templates that read it; with any other it would change nothing. */
function reasoningEffort({ reasoning_effort: effort }: ChatRequest, llm: LLM): Record<string, string> | undefined {
  if (effort === undefined) return undefined
  const templates = [...(llm.tokenizer?.chatTemplates.values() ?? [])]
  if (templates.some((source) => source.includes('reasoning_effort'))) return { reasoning_effort: effort }
  throw unsupported('reasoning_effort', "this model's chat template has no reasoning_effort; leave it out")
}

/** Marks of the caller's own for the log: they change no answer. */
function note(notes: Notes, request: ChatRequest): void {
  const { user, safety_identifier: safetyIdentifier, metadata, stream, n } = request
  Object.assign(notes, {
    ...(user && { user }),
    ...(safetyIdentifier && { safetyIdentifier }),
    ...(metadata && { metadata }),
    ...(stream && { stream }),
    ...(n && n > 1 && { n }),
  })
}
