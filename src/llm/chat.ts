import { WarplineError } from '../errors.js'
import { encodeChatPrompt } from '../text/index.js'
import type { ChatMessage } from './chat-types.js'
import type { LoadedModel } from './load-model.js'
import type { ChatOptions, ChatPromptOptions } from './options.js'

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** Token ids of a conversation, rendered by the checkpoint's template, ready for the assistant's answer. */
export function encodeChat(
  model: LoadedModel,
  messages: readonly ChatMessage[],
  options: ChatPromptOptions & Pick<ChatOptions, 'responseFormat'>,
): number[] {
  checkMessages(messages)
  if (options.responseFormat && options.responseFormat.type !== 'text') {
    throw new WarplineError(
      'option-unsupported',
      `responseFormat ${options.responseFormat.type} is not offered; use { type: 'text' } and describe the format in a message`,
    )
  }
  if (!model.tokenizer) {
    throw new WarplineError('tokenizer-missing', 'this model has no tokenizer.json; a chat needs one')
  }
  const { tools, documents, templateVariables: variables, addGenerationPrompt = true } = options
  return encodeChatPrompt(model.tokenizer, messages, { tools, documents, variables, addGenerationPrompt })
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new WarplineError('chat-invalid', 'give at least one message: { role, content }')
  }
  for (const [i, message] of messages.entries()) {
    if (typeof message !== 'object' || message === null || !ROLES.has(message.role)) {
      throw new WarplineError('chat-invalid', `message ${i} needs a role: ${[...ROLES].join(', ')}`)
    }
    const { content } = message
    if (content !== null && typeof content !== 'string') {
      throw new WarplineError('chat-invalid', `the content of message ${i} must be a text`)
    }
    if (content !== null && !content.isWellFormed()) {
      throw new WarplineError('chat-invalid', `the content of message ${i} is not valid Unicode (a lone surrogate)`)
    }
  }
}
