import { WarplineError } from '../errors.js'
import type { ChatMessage } from './chat-types.js'

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** Errors: `chat-invalid`. */
export function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new WarplineError('chat-invalid', 'give at least one message: { role, content }')
  }
  for (const [i, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || !ROLES.has(message.role)) {
      throw new WarplineError('chat-invalid', `message ${i} needs a role: ${[...ROLES].join(', ')}`)
    }
    checkCalls(message, i)
    const { content } = message
    if (content === null || (content === undefined && message.tool_calls !== undefined)) continue
    if (typeof content !== 'string') {
      throw new WarplineError('chat-invalid', `the content of message ${i} must be a text`)
    }
    if (!content.isWellFormed()) {
      throw new WarplineError('chat-invalid', `the content of message ${i} is not valid Unicode (a lone surrogate)`)
    }
  }
}

function checkCalls({ tool_calls: calls }: ChatMessage, i: number): void {
  if (calls === undefined || calls === null) return
  const isCall = (call: unknown) => {
    const called = (call as { function?: unknown } | null)?.function as { name?: unknown } | null | undefined
    return typeof called === 'object' && typeof called?.name === 'string'
  }
  if (!Array.isArray(calls) || !calls.every(isCall)) {
    throw new WarplineError(
      'chat-invalid',
      `tool_calls of message ${i}: each needs a function with a name and arguments`,
    )
  }
}

/** Messages as templates expect them: a call's arguments as data, and a content in every message that calls. */
export function templateMessages(messages: readonly ChatMessage[]): object[] {
  return messages.map((message) => {
    if (message.tool_calls === undefined || message.tool_calls === null) return message
    return { ...message, content: message.content ?? '', tool_calls: message.tool_calls.map(withData) }
  })
}

function withData(call: object): object {
  const called = (call as { function: { arguments?: unknown } }).function
  if (typeof called.arguments !== 'string') return call
  return { ...call, function: { ...called, arguments: dataOf(called.arguments) } }
}

function dataOf(text: string): unknown {
  try {
    const data: unknown = JSON.parse(text)
    return typeof data === 'object' && data !== null ? data : text
  } catch {
    return text
  }
}
