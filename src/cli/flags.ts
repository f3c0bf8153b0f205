import { type Command, Option } from 'commander'
import type { BenchOptions, GenerateOptions, InspectedShape, LoadOptions } from '../index.js'
import { UsageError } from './usage-error.js'
import { bias, collect, earlyStopping, idSequences, ids, number, seed, wholeFrom } from './values.js'

/** Flags carry the library's option names in kebab-case, so that commander's camelCase values are its options. */

export function addModelFlags(command: Command, { bundled }: { bundled: boolean }): Command {
  const model = 'a folder, or a name on the Hugging Face hub'
  return command
    .argument('[model]', bundled ? `${model} (default: the bundled story writer)` : model)
    .option('--model <model>', 'the same, as a flag')
    .addOption(new Option('--device <device>', 'where to run').choices(['auto', 'cpu', 'cuda', 'reference']))
    .option(
      '--dtype <type>',
      'storage of the weights: auto, f32, bf16, f16, int8, int8-g32, int4, int4-g128 or fp8, as the device offers',
    )
    .option('--kv-dtype <type>', 'storage of keys and values: auto, f32, bf16 or f16, as the device offers')
    .option('--context-length <tokens>', 'most tokens a sequence may hold', wholeFrom(1))
    .option('--cache-bytes <bytes>', 'memory for the K/V cache', wholeFrom(0))
    .option('--max-sequences <count>', 'sequences that run at once', wholeFrom(1))
    .option('--max-batch-tokens <tokens>', 'tokens computed in one step', wholeFrom(1))
    .option('--threads <count>', 'CPU threads', wholeFrom(1))
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
    .option('--bad-words-ids <ids;...>', 'token sequences that must not appear, like "5,6;7"', idSequences)
    .option('--seed <integer>', 'same seed, same text', seed)
    .option('--n <count>', 'choices for each prompt', number)
    .option('--num-beams <width>', 'beam search', number)
    .option('--length-penalty <exponent>', 'beam search: score = log-probability / length ** exponent', number)
    .option('--early-stopping <when>', 'beam search: true, false or never', earlyStopping)
    .option('--num-beam-groups <count>', 'diverse beam search', number)
    .option('--diversity-penalty <value>', 'diverse beam search', number)
    .option('--logprobs <count>', '--json: log-probabilities of chosen tokens and this many of the likeliest', number)
    .option('--prompt-logprobs <count>', '--json: the same for the prompt', number)
    .option('--hidden-states', '--json: final hidden states of the prompt')
    .option('--no-skip-special-tokens', 'show special tokens in the text')
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
  'badWordsIds',
  'seed',
  'n',
  'numBeams',
  'lengthPenalty',
  'earlyStopping',
  'numBeamGroups',
  'diversityPenalty',
  'logprobs',
  'promptLogprobs',
  'hiddenStates',
  'truncate',
  'skipSpecialTokens',
  'addSpecialTokens',
] as const satisfies readonly (keyof GenerateOptions)[]

export function generateOptions(values: Record<string, unknown>): GenerateOptions {
  const options = pick(values, GENERATION_NAMES) as GenerateOptions
  // Commander reads a leading `no-` as a negation and drops it from the name.
  const ngram = values.repeatNgramSize
  return typeof ngram === 'number' ? { ...options, noRepeatNgramSize: ngram } : options
}

/** What a text has no place for. */
const JSON_ONLY = ['logprobs', 'promptLogprobs', 'hiddenStates'] as const satisfies readonly (keyof GenerateOptions)[]

/** Refuses to compute what would not be shown. */
export function checkOutput(values: Record<string, unknown>): void {
  if (values.json) return
  const unseen = JSON_ONLY.find((name) => values[name] !== undefined)
  if (unseen) throw new UsageError(`${flagOf(unseen)} is shown by --json only; add --json`)
}

const SHAPE_NAMES = ['tokens', 'batch', 'context'] as const satisfies readonly (keyof InspectedShape)[]

const BENCH_NAMES = ['prompts', 'batches', 'newTokens', 'repeats'] as const satisfies readonly (keyof BenchOptions)[]

/** Options of the library that have a flag. */
export const OPTION_NAMES: readonly string[] = [
  ...LOAD_NAMES,
  ...GENERATION_NAMES,
  'noRepeatNgramSize',
  ...SHAPE_NAMES,
  ...BENCH_NAMES,
]

/** `topPResetIds` -> `--top-p-reset-ids`. */
export function flagOf(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function pick(values: Record<string, unknown>, names: readonly string[]): object {
  return Object.fromEntries(names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]))
}
