import type { Hono } from 'hono'
import type { Environment } from '../environment.js'
import { invalid } from '../http/api-error.js'
import { readBody } from '../http/json-body.js'
import { chatMessages } from '../schema/chat.js'
import { detokenizeSchema, tokenizeSchema } from '../schema/tokens.js'
import type { Service } from '../service.js'

/** Texts and conversations to token ids, and back. */
export function tokenRoutes(app: Hono<Environment>, service: Service): void {
  const { llm, settings } = service
  const limits = { ...settings, ...settings.limits }
  const schema = tokenizeSchema(settings.limits)
  app.post('/tokenize', async (c) => {
    const request = await readBody(c, schema, limits)
    service.checkModel(request.model)
    const { prompt, messages, tools, documents, add_special_tokens: addSpecialTokens } = request
    if ((prompt === undefined) === (messages === undefined)) throw invalid('prompt', 'give a prompt, or messages')
    const tokens = messages
      ? llm.tokenizeChat(chatMessages(messages), {
          tools,
          documents,
          addGenerationPrompt: request.add_generation_prompt,
          templateVariables: request.chat_template_kwargs,
        })
      : llm.tokenize(prompt!, { addSpecialTokens })
    return c.json({
      count: tokens.length,
      max_model_len: llm.info.contextLength,
      tokens,
      token_strs: request.return_token_strs ? tokens.map((id) => llm.detokenize([id])) : null,
    })
  })
  app.post('/detokenize', async (c) => {
    const { model, tokens } = await readBody(c, detokenizeSchema, limits)
    service.checkModel(model)
    return c.json({ prompt: llm.detokenize(tokens) })
  })
}
