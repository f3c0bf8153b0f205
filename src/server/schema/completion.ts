import { z } from 'zod'
import type { RequestLimits } from '../options.js'
import { COMPLETION_REFUSALS, refusedShape } from './refused.js'
import { samplingShape } from './sampling.js'

const ids = z.array(z.int().min(0)).min(1)

/** POST /v1/completions */
export function completionSchema(limits: RequestLimits) {
  return z.strictObject({
    ...samplingShape(limits),
    ...refusedShape(COMPLETION_REFUSALS),
    prompt: z
      .union([z.string(), ids, z.array(z.string()).min(1).max(limits.prompts), z.array(ids).min(1).max(limits.prompts)])
      .optional(),
    echo: z.boolean().optional(),
    logprobs: z.int().min(0).max(limits.logprobs).optional(),
  })
}

export type CompletionRequest = z.output<ReturnType<typeof completionSchema>>
