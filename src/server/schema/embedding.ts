import { z } from 'zod'
import type { RequestLimits } from '../options.js'

const ids = z.array(z.int().min(0)).min(1)

/** POST /v1/embeddings */
export function embeddingSchema(limits: RequestLimits) {
  return z.strictObject({
    model: z.string().optional(),
    input: z.union([
      z.string(),
      ids,
      z.array(z.string()).min(1).max(limits.inputs),
      z.array(ids).min(1).max(limits.inputs),
    ]),
    encoding_format: z.enum(['float', 'base64']).optional(),
    dimensions: z.int().min(1).optional(),
    user: z.string().max(512).optional(),
    // Extensions
    pooling: z.enum(['mean', 'last']).optional(),
    normalize: z.boolean().optional(),
    add_special_tokens: z.boolean().optional(),
    timeout: z.number().positive().max(86_400).optional(),
  })
}
