import { z } from 'zod'
import type { RequestLimits } from '../options.js'

/**
 * Parameters of KServe v2's generate extension. Triton's model servers take them beside `text_input` or in `parameters`,
 * under these names: the vLLM backend's first, then the TensorRT-LLM backend's.
 */
function parameterShape({ choices, entries, stops }: RequestLimits) {
  const texts = (most: number) => z.union([z.string(), z.array(z.string()).max(most)])
  return {
    max_tokens: z.int().min(1).optional(),
    min_tokens: z.int().min(0).optional(),
    temperature: z.number().optional(),
    top_k: z.int().min(-1).optional(),
    top_p: z.number().optional(),
    min_p: z.number().optional(),
    repetition_penalty: z.number().optional(),
    presence_penalty: z.number().optional(),
    frequency_penalty: z.number().optional(),
    length_penalty: z.number().optional(),
    seed: z.int().optional(),
    random_seed: z.int().optional(),
    stop: texts(stops).optional(),
    stop_words: texts(stops).optional(),
    bad_words: texts(entries).optional(),
    beam_width: z.int().min(1).max(choices).optional(),
    ignore_eos: z.boolean().optional(),
    details: z.boolean().optional(),
    stream: z.boolean().optional(),
  }
}

/** POST /v2/models/{name}/generate and generate_stream */
export function kserveSchema(limits: RequestLimits) {
  const shape = parameterShape(limits)
  return z.strictObject({
    id: z.string().max(256).optional(),
    text_input: z.string(),
    parameters: z.strictObject(shape).optional(),
    exclude_input_in_output: z.literal(true).optional(),
    ...shape,
  })
}

export type KserveRequest = z.output<ReturnType<typeof kserveSchema>>
