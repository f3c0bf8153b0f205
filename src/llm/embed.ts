import type { EmbedOptions } from './options.js'

/**
 * One vector for a text, from its tokens' final hidden states ([tokens][hidden]). Sums run in double precision, in the
 * order of the tokens. A vector of zeros has no direction and stays as it is.
 */
export function pool(
  states: readonly Float32Array[],
  { pooling = 'mean', normalize = true }: EmbedOptions,
): Float32Array {
  const pooled = pooling === 'last' ? states.at(-1)! : mean(states)
  return normalize ? unit(pooled) : pooled
}

function mean(states: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(states[0]!.length)
  for (const state of states) for (let i = 0; i < sums.length; i++) sums[i]! += state[i]!
  return Float32Array.from(sums, (sum) => sum / states.length)
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length > 0 ? vector.map((value) => value / length) : vector
}
