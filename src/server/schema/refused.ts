import { z } from 'zod'
import { unsupported } from '../http/api-error.js'

interface Refusal {
  readonly why: string
  /** A value that asks for nothing, and is taken. */
  readonly harmless?: (value: unknown) => boolean
}

/** Fields that are known and not offered. Any value but a harmless one is an error that says so. */
export type Refusals = Readonly<Record<string, Refusal>>

const none = (value: unknown) => Array.isArray(value) && value.length === 0

/** Of both kinds of requests, from vLLM's vocabulary. */
export const COMMON_REFUSALS: Refusals = {
  logits_processors: { why: 'a request cannot bring code', harmless: none },
  allowed_token_ids: { why: 'use guided_choice, guided_regex or logit_bias' },
  guided_decoding_backend: { why: 'there is one; leave it out', harmless: (value) => value === 'auto' },
  truncate_prompt_tokens: { why: 'shorten the prompt before you send it' },
  kv_transfer_params: { why: 'prompts are computed where they are answered' },
  vllm_xargs: { why: 'it belongs to another server' },
  cache_salt: { why: 'caches cannot be kept apart by request' },
}

export const COMPLETION_REFUSALS: Refusals = {
  ...COMMON_REFUSALS,
  suffix: { why: 'text cannot be inserted before a suffix; leave it out', harmless: (value) => value === '' },
  prompt_embeds: { why: 'send the prompt as text or token ids' },
}

export const CHAT_REFUSALS: Refusals = {
  ...COMMON_REFUSALS,
  audio: { why: 'this model answers with text only' },
  modalities: { why: 'this model answers with text only', harmless: (value) => String(value) === 'text' },
  functions: { why: 'it was replaced by tools', harmless: none },
  function_call: { why: 'it was replaced by tool_choice', harmless: (value) => value === 'none' },
  prediction: { why: 'leave it out' },
  web_search_options: { why: 'this server reaches no network; leave it out' },
  store: { why: 'answers are not kept', harmless: (value) => value === false },
  verbosity: { why: 'say in a message how long the answer should be', harmless: (value) => value === 'medium' },
  chat_template: { why: "the checkpoint's own template is used: a request cannot bring code" },
  continue_final_message: { why: 'send the beginning of the answer to /v1/completions', harmless: (v) => v === false },
  mm_processor_kwargs: { why: 'this model reads text only' },
  moderation: { why: 'leave it out' },
}

/** Takes part in a schema, so that these names are known. */
export function refusedShape<R extends Refusals>(refusals: R): { [name in keyof R]: z.ZodOptional<z.ZodUnknown> } {
  return Object.fromEntries(Object.keys(refusals).map((name) => [name, z.unknown().optional()])) as never
}

export function refuse(fields: Readonly<Record<string, unknown>>, refusals: Refusals): void {
  for (const [name, { why, harmless }] of Object.entries(refusals)) {
    const value = fields[name]
    if (value !== undefined && !harmless?.(value)) throw unsupported(name, `${name} is not supported: ${why}`)
  }
}
