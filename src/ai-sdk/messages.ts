import {
  type LanguageModelV3Message,
  type LanguageModelV3Prompt,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider'
import type { ChatMessage } from '../index.js'

/** The SDK's messages as OpenAI's API writes them. A message of several tool results becomes one for each. */
export function messagesOf(prompt: LanguageModelV3Prompt): ChatMessage[] {
  return prompt.flatMap(toMessages)
}

function toMessages(message: LanguageModelV3Message): ChatMessage[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }]
    case 'user':
      return [{ role: 'user', content: message.content.map(textOf).join('\n') }]
    case 'assistant':
      return [assistantMessage(message.content)]
    case 'tool':
      return message.content.flatMap((part) => {
        if (part.type !== 'tool-result') return []
        return [{ role: 'tool', content: outputText(part.output), name: part.toolName, tool_call_id: part.toolCallId }]
      })
  }
}

type Content<R extends LanguageModelV3Message['role']> = Extract<LanguageModelV3Message, { role: R }>['content']

function textOf(part: Content<'user'>[number]): string {
  if (part.type === 'text') return part.text
  throw new UnsupportedFunctionalityError({ functionality: `files in a prompt (${part.mediaType})` })
}

function assistantMessage(content: Content<'assistant'>): ChatMessage {
  const texts = content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const reasoning = content.flatMap((part) => (part.type === 'reasoning' ? [part.text] : []))
  const calls = content.flatMap((part) => {
    if (part.type !== 'tool-call') return []
    const input = typeof part.input === 'string' ? part.input : JSON.stringify(part.input)
    return [{ id: part.toolCallId, type: 'function', function: { name: part.toolName, arguments: input } }]
  })
  const message: ChatMessage & { reasoning_content?: string } = {
    role: 'assistant',
    content: texts.length > 0 || calls.length === 0 ? texts.join('') : null,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(reasoning.length > 0 && { reasoning_content: reasoning.join('') }),
  }
  return message
}

type ToolOutput = Extract<Content<'tool'>[number], { type: 'tool-result' }>['output']

function outputText(output: ToolOutput): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value)
    case 'execution-denied':
      return output.reason ?? 'the user did not allow this call'
    case 'content':
      return output.value
        .map((part) => {
          if (part.type === 'text') return part.text
          throw new UnsupportedFunctionalityError({ functionality: `tool results of the type ${part.type}` })
        })
        .join('\n')
  }
}
