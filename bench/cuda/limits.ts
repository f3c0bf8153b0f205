import type { BenchModel } from './models.js'

/** What the device did at best in the same run: bytes read a second, and FLOPs a second of 16-bit products. */
export interface Machine {
  readonly device: string
  readonly readBytes: number
  readonly flops: number
}

const BYTES = 2

/** Seconds that a decode step of `batch` sequences needs at least, each with `context` tokens in the cache. */
export function decodeLimit(
  { parameters, cacheNumbers }: BenchModel,
  batch: number,
  context: number,
  machine: Machine,
): number {
  const reading = (BYTES * (parameters + batch * context * cacheNumbers)) / machine.readBytes
  const computing = (2 * parameters * batch) / machine.flops
  return Math.max(reading, computing)
}

/** Seconds that prompts of `tokens` together need at least: two FLOPs a weight and token, or reading the weights once. */
export function promptLimit({ parameters }: BenchModel, tokens: number, machine: Machine): number {
  return Math.max((2 * parameters * tokens) / machine.flops, (BYTES * parameters) / machine.readBytes)
}

/** A whole request: the prompt, which gives the first token, then each further token at its own context. */
export function requestLimit(
  model: BenchModel,
  batch: number,
  input: number,
  output: number,
  machine: Machine,
): number {
  let seconds = promptLimit(model, batch * input, machine)
  for (let i = 1; i < output; i++) seconds += decodeLimit(model, batch, input + i, machine)
  return seconds
}
