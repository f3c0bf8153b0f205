import type { Hono } from 'hono'
import type { Environment } from '../environment.js'
import { unsupported } from '../http/api-error.js'
import { readBody } from '../http/json-body.js'
import { embeddingSchema } from '../schema/embedding.js'
import type { Service } from '../service.js'

/** Vectors of texts, from the model's final hidden states. */
export function embeddingRoutes(app: Hono<Environment>, service: Service): void {
  const { llm, settings } = service
  const limits = { ...settings, ...settings.limits }
  const schema = embeddingSchema(settings.limits)
  app.post('/v1/embeddings', async (c) => {
    const request = await readBody(c, schema, limits)
    service.checkModel(request.model)
    const { input, dimensions, pooling, normalize, add_special_tokens: addSpecialTokens } = request
    if (dimensions !== undefined && dimensions !== llm.info.hidden) {
      const why = `this model's vectors have ${llm.info.hidden} values and cannot be cut`
      throw unsupported('dimensions', `dimensions is ${dimensions}: ${why}`)
    }
    if (request.user) c.get('notes').user = request.user
    const texts = (Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]) as (string | number[])[]
    const { call, end } = service.begin(c.get('key'), texts.length, c.req.raw.signal, request.timeout)
    try {
      const { signal } = call
      const embeddings = await llm.embed(texts, { pooling, normalize, addSpecialTokens, signal })
      const tokens = embeddings.reduce((sum, each) => sum + each.tokens, 0)
      c.get('notes').promptTokens = tokens
      return c.json({
        object: 'list',
        data: embeddings.map(({ vector }, index) => ({
          object: 'embedding',
          index,
          embedding: request.encoding_format === 'base64' ? base64(vector) : Array.from(vector),
        })),
        model: request.model ?? service.modelName,
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      })
    } catch (error) {
      throw call.reason ?? error
    } finally {
      end()
    }
  })
}

/** 32-bit floats, little-endian. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4)
  vector.forEach((value, i) => void bytes.writeFloatLE(value, i * 4))
  return bytes.toString('base64')
}
