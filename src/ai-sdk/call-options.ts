import type { LanguageModelV3CallOptions, SharedV3Warning } from '@ai-sdk/provider'
import type { ChatMessage, ChatOptions } from '../index.js'
import { messagesOf } from './messages.js'

/** A call of the SDK in the library's words. */
export interface Asked {
  readonly messages: readonly ChatMessage[]
  readonly chatOptions: ChatOptions
  /** What the SDK asked for and no model here can do: it wants to be told rather than refused. */
  readonly warnings: SharedV3Warning[]
}

/** Options of tools that the library may come to have; until it has them it refuses them. */
interface ToolOptions {
  readonly toolChoice?: unknown
}

export function chatCall(options: LanguageModelV3CallOptions): Asked {
  const { maxOutputTokens, stopSequences, abortSignal, providerOptions, tools = [], toolChoice } = options
  const warnings: SharedV3Warning[] = tools
    .filter((tool) => tool.type === 'provider')
    .map((tool) => ({ type: 'unsupported', feature: `provider tool ${tool.name}` }))
  const functions = tools.flatMap((tool) => {
    if (tool.type !== 'function') return []
    const { name, description, inputSchema: parameters, strict } = tool
    return [{ type: 'function', function: { name, description, parameters, ...(strict !== undefined && { strict }) } }]
  })
  const chosen =
    toolChoice?.type === 'tool' ? { type: 'function', function: { name: toolChoice.toolName } } : toolChoice?.type
  const chatOptions: ChatOptions & ToolOptions = {
    maxTokens: maxOutputTokens ?? 'context',
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    stop: stopSequences?.length ? stopSequences : undefined,
    seed: options.seed,
    signal: abortSignal,
    responseFormat: responseFormat(options),
    ...(functions.length > 0 && { tools: functions }),
    // `auto` is what tools mean anyway.
    ...(functions.length > 0 && chosen !== undefined && chosen !== 'auto' && { toolChoice: chosen }),
    ...(providerOptions?.warpline as ChatOptions | undefined),
  }
  return { messages: messagesOf(options.prompt), chatOptions, warnings }
}

function responseFormat({ responseFormat: format }: LanguageModelV3CallOptions): ChatOptions['responseFormat'] {
  if (format?.type !== 'json') return undefined
  return format.schema ? { type: 'json_schema', schema: format.schema } : { type: 'json_object' }
}
