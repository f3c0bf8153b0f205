import { z } from 'zod'
import { nearestName, WarplineError } from '../errors.js'
import type { ChatOptions, GenerateOptions, LoadOptions } from './options.js'

/** Kinds of values only: ranges belong to the engine, which checks them with the vocabulary and context in hand. */
const number = z.number()
const ids = z.array(z.int()).readonly()
const texts = z.array(z.string()).readonly()
const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
const callback = z.custom<never>((value) => typeof value === 'function', 'expected a function')

const generateShape = {
  maxTokens: number,
  minTokens: number,
  ignoreEos: z.boolean(),
  temperature: number,
  topK: number,
  topP: number,
  topPDecay: number,
  topPMin: number,
  topPResetIds: ids,
  minP: number,
  repetitionPenalty: number,
  presencePenalty: number,
  frequencyPenalty: number,
  noRepeatNgramSize: number,
  logitBias: z.record(z.string(), number),
  stop: z.union([z.string(), texts]),
  stopTokenIds: ids,
  badWords: texts,
  badWordsIds: z.array(ids).readonly(),
  seed: z.union([number, z.bigint()]),
  n: number,
  numBeams: number,
  lengthPenalty: number,
  earlyStopping: z.union([z.boolean(), z.literal('never')]),
  numBeamGroups: number,
  diversityPenalty: number,
  logprobs: z.union([z.boolean(), number]),
  promptLogprobs: z.union([z.boolean(), number]),
  hiddenStates: z.boolean(),
  softPrompt: z.array(z.union([z.array(number), z.instanceof(Float32Array)])).readonly(),
  session: z.string().min(1),
  truncate: z.literal('left'),
  skipSpecialTokens: z.boolean(),
  addSpecialTokens: z.boolean(),
  signal,
} satisfies Record<keyof GenerateOptions, z.ZodType>

const chatShape = {
  ...generateShape,
  tools: z.array(z.record(z.string(), z.unknown())).readonly(),
  responseFormat: z.object({ type: z.string() }),
  templateVariables: z.record(z.string(), z.unknown()),
} satisfies Record<keyof ChatOptions, z.ZodType>

const loadShape = {
  device: z.enum(['auto', 'cpu', 'cuda', 'reference']),
  dtype: z.enum(['auto', 'f32', 'f16', 'bf16', 'int8', 'int4', 'fp8']),
  kvDtype: z.enum(['auto', 'f32', 'f16', 'bf16']),
  contextLength: z.int().min(1),
  cacheBytes: z.int().min(0),
  maxSequences: z.int().min(1),
  maxBatchTokens: z.int().min(1),
  threads: z.int().min(1),
  revision: z.string(),
  offline: z.boolean(),
  onProgress: callback,
  signal,
} satisfies Record<keyof LoadOptions, z.ZodType>

/** Each throws `option-unknown` (with the nearest name) or `option-invalid`. */
export const checkGenerateOptions = (options: unknown) => check(generateShape, options)
export const checkChatOptions = (options: unknown) => check(chatShape, options)
export const checkLoadOptions = (options: unknown) => check(loadShape, options)

function check(shape: Record<string, z.ZodType>, options: unknown): void {
  if (options === undefined) return
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new WarplineError('option-invalid', 'options must be an object')
  }
  for (const [name, value] of Object.entries(options)) {
    const type = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (!type) throw unknownOption(name, Object.keys(shape))
    if (value === undefined) continue
    const result = type.safeParse(value)
    if (!result.success) throw new WarplineError('option-invalid', `${name}: ${reason(result.error)}`)
  }
}

export function unknownOption(name: string, known: readonly string[]): WarplineError {
  const nearest = nearestName(name, known)
  return new WarplineError('option-unknown', `there is no option ${name}${nearest ? `; did you mean ${nearest}?` : ''}`)
}

function reason(error: z.ZodError): string {
  const [issue] = error.issues
  const where = issue?.path.length ? ` at [${issue.path.join('][')}]` : ''
  return `${issue?.message ?? 'is invalid'}${where}`
}
