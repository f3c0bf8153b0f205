import { WarplineError } from '../errors.js'
import { DEFAULT_SAMPLING, type SamplingParameters } from './sampling-parameters.js'

export interface SamplingLimits {
  /** Token ids are below this. */
  readonly vocabulary: number
  /** Most sequences that one request may run at once: bounds `n` and `numBeams`. */
  readonly maxSequences: number
}

/** JavaScript callers may give the seed as a number. */
export type SamplingInput = Partial<Omit<SamplingParameters, 'seed'>> & { readonly seed?: bigint | number }

/**
 * Fills in what is missing and checks everything against its range and against the rest.
 * @throws WarplineError `parameter-invalid`, naming the parameter, its value and what is allowed.
 */
export function validateSampling(input: SamplingInput, limits: SamplingLimits): SamplingParameters {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined))
  const parameters = { ...DEFAULT_SAMPLING, ...given, seed: asSeed(input.seed ?? DEFAULT_SAMPLING.seed) }
  checkRanges(parameters, limits)
  checkTokens(parameters, limits)
  checkBeams(parameters)
  return parameters
}

function checkRanges(p: SamplingParameters, { vocabulary, maxSequences }: SamplingLimits): void {
  integer(p, 'maxTokens', 1)
  integer(p, 'minTokens', 0)
  if (p.minTokens > p.maxTokens) invalid('minTokens', p.minTokens, `at most maxTokens, which is ${p.maxTokens}`)
  number(p, 'temperature', { from: 0 })
  integer(p, 'topK', 0)
  number(p, 'topP', { from: 0, to: 1 })
  number(p, 'topPDecay', { above: 0, to: 1 })
  number(p, 'topPMin', { from: 0, to: 1 })
  number(p, 'minP', { from: 0, to: 1 })
  number(p, 'repetitionPenalty', { above: 0 })
  number(p, 'presencePenalty', { from: -2, to: 2 })
  number(p, 'frequencyPenalty', { from: -2, to: 2 })
  integer(p, 'noRepeatNgramSize', 0)
  integer(p, 'n', 1, maxSequences)
  integer(p, 'numBeams', 1, maxSequences)
  integer(p, 'numReturn', 1)
  number(p, 'lengthPenalty', { from: -100, to: 100 })
  if (![true, false, 'never'].includes(p.earlyStopping))
    invalid('earlyStopping', p.earlyStopping, "true, false or 'never'")
  integer(p, 'numBeamGroups', 1)
  number(p, 'diversityPenalty', { from: 0 })
  integer(p, 'logprobs', -1, vocabulary)
  integer(p, 'promptLogprobs', -1, vocabulary)
  if (typeof p.hiddenStates !== 'boolean') invalid('hiddenStates', p.hiddenStates, 'true or false')
}

function checkTokens(p: SamplingParameters, { vocabulary }: SamplingLimits): void {
  for (const name of ['topPResetIds', 'suppressIds', 'stopIds'] as const) tokenIds(name, p[name], vocabulary)
  if (!Array.isArray(p.badWordsIds)) invalid('badWordsIds', p.badWordsIds, 'a list of lists of token ids')
  for (const word of p.badWordsIds) {
    tokenIds('badWordsIds', word, vocabulary)
    if (word.length === 0) invalid('badWordsIds', word, 'a list of words of at least one token')
  }
  if (!(p.logitBias instanceof Map)) invalid('logitBias', p.logitBias, 'a map from token ids to numbers')
  tokenIds('logitBias', [...p.logitBias.keys()], vocabulary)
  for (const [id, bias] of p.logitBias) {
    if (!Number.isFinite(bias))
      invalid('logitBias', bias, `a finite number for each token (here ${id}); ban with suppressIds`)
  }
}

function checkBeams(p: SamplingParameters): void {
  if (p.numBeams === 1) {
    if (p.numReturn > 1) invalid('numReturn', p.numReturn, '1 without numBeams; for several samples use n')
    if (p.numBeamGroups > 1) invalid('numBeamGroups', p.numBeamGroups, '1 without numBeams')
    if (p.diversityPenalty > 0) invalid('diversityPenalty', p.diversityPenalty, '0 without numBeams and numBeamGroups')
    return
  }
  if (p.temperature > 0) invalid('temperature', p.temperature, '0 with numBeams: beam search does not draw')
  if (p.n > 1) invalid('n', p.n, '1 with numBeams; for several hypotheses use numReturn')
  if (p.numReturn > p.numBeams) invalid('numReturn', p.numReturn, `at most numBeams, which is ${p.numBeams}`)
  if (p.numBeams % p.numBeamGroups !== 0) {
    invalid('numBeamGroups', p.numBeamGroups, `a divisor of numBeams, which is ${p.numBeams}`)
  }
  if (p.numBeamGroups > 1 && p.diversityPenalty === 0) {
    invalid('diversityPenalty', p.diversityPenalty, 'above 0 with numBeamGroups: otherwise all groups are alike')
  }
  if (p.numBeamGroups === 1 && p.diversityPenalty > 0) {
    invalid('diversityPenalty', p.diversityPenalty, '0 without numBeamGroups')
  }
}

/** Bounds within finite numbers: `from` and `to` inclusive, `above` exclusive. */
interface Range {
  readonly from?: number
  readonly above?: number
  readonly to?: number
}

function number(p: SamplingParameters, name: keyof SamplingParameters, { from, above, to }: Range): void {
  const value = p[name]
  const inRange =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    value >= (from ?? -Infinity) &&
    value > (above ?? -Infinity) &&
    value <= (to ?? Infinity)
  if (inRange) return
  const bounds = [
    from === undefined ? '' : `at least ${from}`,
    above === undefined ? '' : `above ${above}`,
    to === undefined ? '' : `at most ${to}`,
  ].filter(Boolean)
  invalid(name, value, bounds.length > 0 ? `a number, ${bounds.join(' and ')}` : 'a finite number')
}

function integer(p: SamplingParameters, name: keyof SamplingParameters, from: number, to = Infinity): void {
  const value = p[name]
  if (Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to) return
  invalid(name, value, to === Infinity ? `a whole number, at least ${from}` : `a whole number from ${from} to ${to}`)
}

function tokenIds(name: keyof SamplingParameters, ids: readonly number[], vocabulary: number): void {
  if (!Array.isArray(ids)) invalid(name, ids, 'a list of token ids')
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
      invalid(name, id, `token ids of this model, from 0 to ${vocabulary - 1}`)
    }
  }
}

function asSeed(seed: bigint | number): bigint {
  const exact = typeof seed === 'bigint' || Number.isSafeInteger(seed)
  if (!exact || seed < 0 || seed >= 2n ** 64n) {
    invalid('seed', seed, 'a whole number from 0 to 2^64 - 1, as a bigint from 2^53')
  }
  return BigInt(seed)
}

function invalid(name: keyof SamplingParameters, value: unknown, allowed: string): never {
  throw new WarplineError('parameter-invalid', `${name} is ${show(value)}; it must be ${allowed}`)
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
