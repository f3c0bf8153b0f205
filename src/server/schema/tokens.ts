import { z } from 'zod'
import type { RequestLimits } from '../options.js'
import { chatPromptShape } from './chat.js'

/** POST /tokenize: of a prompt, or of a conversation. */
export function tokenizeSchema(limits: RequestLimits) {
  const { messages, ...chat } = chatPromptShape(limits)
  return z.strictObject({
    model: z.string().optional(),
    prompt: z.string().optional(),
    messages: messages.optional(),
    ...chat,
    add_special_tokens: z.boolean().optional(),
    return_token_strs: z.boolean().optional(),
  })
}

/** POST /detokenize */
export const detokenizeSchema = z.strictObject({
  model: z.string().optional(),
  tokens: z.array(z.int().min(0)),
})
