import type { Config } from './config.js'
import type { RotarySpec } from './spec.js'

export interface YarnOptions {
  /** Elements of a head that turn. */
  readonly dim: number
  readonly theta: number
  /** How many times longer the text may be. */
  readonly factor: number
  /** Length that the model was first trained for. */
  readonly original: number
}

/**
 * YaRN (Peng et al. 2023): pairs that turn often within the original length keep their pace, pairs that turn less than
 * once are slowed by `factor`, those between blend along a ramp; cosine and sine are scaled to keep attention as sharp.
 * `plain` are the unscaled frequencies.
 */
export function yarn(
  rope: Config,
  plain: readonly number[],
  { dim, theta, factor, original }: YarnOptions,
): Pick<RotarySpec, 'frequencies' | 'scale'> {
  const fast = rope.number('beta_fast', 32, POSITIVE)
  const slow = rope.number('beta_slow', 1, POSITIVE)
  if (fast < slow) rope.invalid('beta_fast', `at least beta_slow, ${slow}`)
  const whole = rope.bool('truncate', true)
  /** The pair, not always a whole number, that turns `count` times within the original length. */
  const pairTurning = (count: number) => (dim * Math.log(original / (count * 2 * Math.PI))) / (2 * Math.log(theta))
  const first = Math.max(0, whole ? Math.floor(pairTurning(fast)) : pairTurning(fast))
  const last = Math.min(dim - 1, whole ? Math.ceil(pairTurning(slow)) : pairTurning(slow))
  const length = last === first ? 0.001 : last - first
  const frequencies = plain.map((frequency, i) => {
    const slowed = Math.min(1, Math.max(0, (i - first) / length))
    return Math.fround((frequency / factor) * slowed + frequency * (1 - slowed))
  })
  return { frequencies, scale: attentionScale(rope, factor) }
}

const POSITIVE = { min: 1e-6, max: 1e6 }
const SHARPNESS = { min: 0, max: 1e3 }

function attentionScale(rope: Config, factor: number): number {
  const given = rope.numberOrNone('attention_factor', undefined, POSITIVE)
  const numerator = rope.number('mscale', 0, SHARPNESS)
  const denominator = rope.number('mscale_all_dim', 0, SHARPNESS)
  if (given !== undefined) return given
  const scale = (sharpness: number) => (factor <= 1 ? 1 : 0.1 * sharpness * Math.log(factor) + 1)
  return numerator && denominator ? scale(numerator) / scale(denominator) : scale(1)
}
