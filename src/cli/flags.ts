import { type Command, InvalidArgumentError, Option } from 'commander'
import type { GenerateOptions, LoadOptions } from '../index.js'

/** Flags carry the library's option names in kebab-case, so that commander's camelCase values are its options. */

export function addModelFlags(command: Command): Command {
  return command
    .argument('[model]', 'a folder, or a name on the Hugging Face hub')
    .option('--model <model>', 'the same, as a flag')
    .addOption(new Option('--device <device>', 'where to run').choices(['auto', 'cpu', 'cuda', 'reference']))
    .option('--dtype <type>', 'storage of the weights: f32, bf16, f16, int8, int4, fp8 as the device offers')
    .option('--kv-dtype <type>', 'storage of keys and values: f32, bf16, f16 as the device offers')
    .option('--context-length <tokens>', 'most tokens a sequence may hold', integer)
    .option('--cache-bytes <bytes>', 'memory for the K/V cache', integer)
    .option('--max-sequences <count>', 'sequences that run at once', integer)
    .option('--max-batch-tokens <tokens>', 'tokens computed in one step', integer)
    .option('--threads <count>', 'CPU threads', integer)
    .option('--revision <name>', 'branch, tag or commit on the hub')
    .option('--offline', 'use local files only')
}

const LOAD_NAMES = [
  'device',
  'dtype',
  'kvDtype',
  'contextLength',
  'cacheBytes',
  'maxSequences',
  'maxBatchTokens',
  'threads',
  'revision',
  'offline',
] as const satisfies readonly (keyof LoadOptions)[]

export function loadOptions(values: Record<string, unknown>): LoadOptions {
  return pick(values, LOAD_NAMES) as LoadOptions
}

export function addGenerationFlags(command: Command): Command {
  return command
    .option('--max-tokens <count>', 'new tokens at most', number)
    .option('--min-tokens <count>', 'new tokens at least', number)
    .option('--ignore-eos', 'do not stop at end tokens')
    .option('--temperature <value>', '0 is greedy', number)
    .option('--top-k <count>', 'keep the k likeliest tokens', number)
    .option('--top-p <mass>', 'keep the likeliest tokens that reach this probability', number)
    .option('--top-p-decay <factor>', 'multiplies top-p after each token', number)
    .option('--top-p-min <mass>', 'where the decay of top-p ends', number)
    .option('--top-p-reset-ids <ids>', 'tokens that set top-p back', ids)
    .option('--min-p <fraction>', 'keep tokens at least this fraction as likely as the likeliest', number)
    .option('--repetition-penalty <factor>', '1 is off', number)
    .option('--presence-penalty <value>', '0 is off', number)
    .option('--frequency-penalty <value>', '0 is off', number)
    .option('--no-repeat-ngram-size <size>', 'no n-gram of this size occurs twice', number)
    .option('--logit-bias <id:value,...>', 'added to the logits of these tokens', bias)
    .option('--stop <text>', 'ends the output (repeatable)', collect)
    .option('--stop-token-ids <ids>', 'tokens that end the output', ids)
    .option('--bad-words <text>', 'must not appear (repeatable)', collect)
    .option('--seed <integer>', 'same seed, same text', bigInteger)
    .option('--n <count>', 'choices for each prompt', number)
    .option('--num-beams <width>', 'beam search', number)
    .option('--length-penalty <exponent>', 'beam search: score = log-probability / length ** exponent', number)
    .option('--early-stopping <when>', 'beam search: true, false or never', earlyStopping)
    .option('--num-beam-groups <count>', 'diverse beam search', number)
    .option('--diversity-penalty <value>', 'diverse beam search', number)
    .option('--logprobs <count>', 'log-probabilities of chosen tokens and of this many of the likeliest', number)
    .option('--prompt-logprobs <count>', 'the same for the prompt', number)
    .addOption(new Option('--truncate <side>', 'what to do with a prompt that is too long').choices(['left']))
}

const GENERATION_NAMES = [
  'maxTokens',
  'minTokens',
  'ignoreEos',
  'temperature',
  'topK',
  'topP',
  'topPDecay',
  'topPMin',
  'topPResetIds',
  'minP',
  'repetitionPenalty',
  'presencePenalty',
  'frequencyPenalty',
  'logitBias',
  'stop',
  'stopTokenIds',
  'badWords',
  'seed',
  'n',
  'numBeams',
  'lengthPenalty',
  'earlyStopping',
  'numBeamGroups',
  'diversityPenalty',
  'logprobs',
  'promptLogprobs',
  'truncate',
] as const satisfies readonly (keyof GenerateOptions)[]

export function generateOptions(values: Record<string, unknown>): GenerateOptions {
  const options = pick(values, GENERATION_NAMES) as GenerateOptions
  // Commander reads a leading `no-` as a negation and drops it from the name.
  const ngram = values.repeatNgramSize
  return typeof ngram === 'number' ? { ...options, noRepeatNgramSize: ngram } : options
}

function pick(values: Record<string, unknown>, names: readonly string[]): object {
  return Object.fromEntries(names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]))
}

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('give a number')
  return value
}

export function integer(text: string): number {
  const value = number(text)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('give a whole number')
  return value
}

function bigInteger(text: string): bigint {
  if (!/^-?\d+$/.test(text.trim())) throw new InvalidArgumentError('give a whole number')
  return BigInt(text)
}

export function ids(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.some((part) => !/^\d+$/.test(part))) throw new InvalidArgumentError('give token ids, like 5,17,3')
  return parts.map(Number)
}

function bias(text: string): Record<number, number> {
  const pairs = text.split(',').map((part) => part.split(':'))
  if (pairs.some((pair) => pair.length !== 2 || !/^\s*\d+\s*$/.test(pair[0]!))) {
    throw new InvalidArgumentError('give pairs, like 50256:-100,11:2.5')
  }
  return Object.fromEntries(pairs.map(([id, value]) => [Number(id), number(value!)]))
}

export function collect(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text]
}

function earlyStopping(text: string): boolean | 'never' {
  if (text === 'never') return text
  if (text === 'true' || text === 'false') return text === 'true'
  throw new InvalidArgumentError('give true, false or never')
}
