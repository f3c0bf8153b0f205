import { z } from 'zod'
import type { ChatMessage } from '../../index.js'
import { unsupported } from '../http/api-error.js'
import type { RequestLimits } from '../options.js'
import { CHAT_REFUSALS, refusedShape } from './refused.js'
import { samplingShape } from './sampling.js'

const object = z.record(z.string(), z.unknown())

const part = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(part)]).nullable()

const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: content.optional(),
  name: z.string().max(256).nullable().optional(),
  tool_calls: z.array(object).nullable().optional(),
  tool_call_id: z.string().max(256).nullable().optional(),
  refusal: z.string().nullable().optional(),
  annotations: z.array(z.unknown()).nullable().optional(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
  reasoning_content: z.string().nullable().optional(),
  reasoning: z.string().nullable().optional(),
})

/** What decides a conversation's prompt: chats, and their tokens. */
export function chatPromptShape(limits: RequestLimits) {
  return {
    messages: z.array(message).min(1).max(limits.messages),
    tools: z.array(object).max(limits.tools).optional(),
    documents: z.array(object).max(limits.entries).optional(),
    add_generation_prompt: z.boolean().optional(),
    chat_template_kwargs: object.optional(),
  }
}

/** POST /v1/chat/completions */
export function chatSchema(limits: RequestLimits) {
  return z.strictObject({
    ...samplingShape(limits),
    ...refusedShape(CHAT_REFUSALS),
    ...chatPromptShape(limits),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(limits.logprobs).optional(),
    max_completion_tokens: z.int().min(1).optional(),
    tool_choice: z.union([z.enum(['none', 'auto', 'required']), object]).optional(),
    parallel_tool_calls: z.boolean().optional(),
    reasoning_effort: z.string().max(32).optional(),
    echo: z.literal(false).optional(),
    metadata: z
      .record(z.string().max(64), z.string().max(512))
      .refine((metadata) => Object.keys(metadata).length <= 16, 'has over 16 entries')
      .optional(),
    prompt_cache_key: z.string().max(512).optional(),
    prompt_cache_retention: z.string().max(32).optional(),
    safety_identifier: z.string().max(512).optional(),
  })
}

export type ChatRequest = z.output<ReturnType<typeof chatSchema>>
type Message = z.output<typeof message>

/** Messages as chat templates read them: texts whole, without what an earlier answer's shape carried along. */
export function chatMessages(messages: readonly Message[]): ChatMessage[] {
  return messages.map((each, i) => {
    const { role, name, tool_calls, tool_call_id, refusal } = each
    const reasoning = each.reasoning_content ?? each.reasoning
    return {
      role,
      content: textOf(each.content, i) ?? refusal ?? null,
      ...(name && { name }),
      ...(tool_calls?.length && { tool_calls }),
      ...(tool_call_id && { tool_call_id }),
      ...(reasoning && { reasoning_content: reasoning }),
    }
  })
}

function textOf(value: Message['content'], message: number): string | null | undefined {
  if (!Array.isArray(value)) return value
  const texts = value.map((each, i) => {
    const text = each.type === 'refusal' ? each.refusal : each.text
    if (['text', 'input_text', 'refusal'].includes(each.type) && typeof text === 'string') return text
    const where = `messages[${message}].content[${i}]`
    throw unsupported(where, `${where} has the type ${each.type.slice(0, 40)}; this model reads text only`)
  })
  return texts.join('\n')
}
