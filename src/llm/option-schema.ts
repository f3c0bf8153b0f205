import { z } from 'zod'
import { TOOL_FORMATS } from '../chat/index.js'
import { nearestName, WarplineError } from '../errors.js'
import type { ChatOptions, GenerateOptions, LoadOptions, ScoreOptions } from './options.js'

/** Kinds of values only: ranges belong to the engine, which checks them with the vocabulary and context in hand. */
const number = z.number()
const ids = z.array(z.int())
const texts = z.array(z.string())
const signal = z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'expected an AbortSignal')
const callback = z.custom<never>((value) => typeof value === 'function', 'expected a function')

const responseFormat = z.object({
  type: z.enum(['text', 'json_object', 'json_schema']),
  schema: z.unknown().optional(),
  json_schema: z.object({ schema: z.unknown() }).optional(),
})

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
  badWordsIds: z.array(ids),
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
  softPrompt: z.array(z.union([z.array(number), z.instanceof(Float32Array)])),
  session: z.string().min(1),
  truncate: z.literal('left'),
  skipSpecialTokens: z.boolean(),
  addSpecialTokens: z.boolean(),
  responseFormat,
  guidedRegex: z.string().min(1),
  guidedChoice: texts,
  guidedGrammar: z.string(),
  signal,
} satisfies Record<keyof GenerateOptions, z.ZodType>

const chatShape = {
  ...generateShape,
  tools: z.array(z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) })),
  toolChoice: z.union([
    z.enum(['none', 'auto', 'required']),
    z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
  ]),
  parallelToolCalls: z.boolean(),
  toolFormat: z.enum(['auto', ...TOOL_FORMATS]),
  reasoningFormat: z.union([z.enum(['auto', 'none']), z.object({ open: z.string(), close: z.string() })]),
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

const scoreShape = { truncate: z.literal('right'), signal } satisfies Record<keyof ScoreOptions, z.ZodType>

/**
 * Each returns a copy with every option read once, so that what was checked is what is used. Throws `option-unknown` (with
 * the nearest name) or `option-invalid`.
 */
export const checkGenerateOptions = (options: unknown) => check<GenerateOptions>(generateShape, options)
export const checkChatOptions = (options: unknown) => check<ChatOptions>(chatShape, options)
export const checkLoadOptions = (options: unknown) => check<LoadOptions>(loadShape, options)
export const checkScoreOptions = (options: unknown) => check<ScoreOptions>(scoreShape, options)

function check<T>(shape: Record<string, z.ZodType>, options: unknown): T {
  if (options === undefined) return {} as T
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new WarplineError('option-invalid', 'options must be an object')
  }
  const names = Object.keys(shape)
  for (const name of Object.keys(options)) if (!names.includes(name)) throw unknownOption(name, names)
  const copy: Record<string, unknown> = {}
  for (const name of names) {
    const value = read(options, name)
    if (value === undefined) continue
    const result = shape[name]!.safeParse(value)
    if (!result.success) throw new WarplineError('option-invalid', `${name}: ${reason(result.error)}`)
    copy[name] = value
  }
  return copy as T
}

/** A getter may throw anything. */
function read(options: object, name: string): unknown {
  try {
    return (options as Record<string, unknown>)[name]
  } catch (error) {
    throw new WarplineError('option-invalid', `${name} cannot be read: ${String(error)}`, { cause: error })
  }
}

export function unknownOption(name: string, known: readonly string[]): WarplineError {
  const nearest = nearestName(name, known)
  return new WarplineError('option-unknown', `there is no option ${name}${nearest ? `; did you mean ${nearest}?` : ''}`)
}

function reason(error: z.ZodError): string {
  const issue = error.issues[0]!
  const where = issue.path.length > 0 ? ` at [${issue.path.join('][')}]` : ''
  return `${expectation(issue)}${where}`
}

const KINDS: Record<string, string> = {
  number: 'must be a finite number',
  string: 'must be a text',
  boolean: 'must be true or false',
  array: 'must be an array',
  bigint: 'must be a bigint',
  record: 'must be an object',
  object: 'must be an object',
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `must be ${list(issue.values.map(String))}`
    case 'invalid_type':
      return issue.expected === 'int'
        ? 'must be a whole number'
        : (KINDS[issue.expected] ?? `must be of type ${issue.expected}`)
    case 'too_small':
      return `must be at least ${issue.minimum}`
    case 'invalid_union':
      return `must be ${list([...new Set(issue.errors.flat().map((each) => expectation(each).replace(/^must be /, '')))])}`
    default:
      return issue.message
  }
}

function list(alternatives: readonly string[]): string {
  return alternatives.length > 1
    ? `${alternatives.slice(0, -1).join(', ')} or ${alternatives.at(-1)}`
    : alternatives.join()
}
