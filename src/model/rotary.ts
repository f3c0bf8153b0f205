import { Config, type Names, type Range } from './config.js'
import type { RotarySpec } from './spec.js'
import { yarn } from './yarn.js'

export interface RotaryOptions {
  readonly headDim: number
  /** The family's default base. */
  readonly theta: number
  /** `max_position_embeddings`. */
  readonly positions: number
  /** Part of a head that turns unless the file says otherwise; where absent, the whole head always does. */
  readonly partial?: number
  /** Names beside `rope_theta` and `partial_rotary_factor` that the family gives them. */
  readonly thetaName?: string
  readonly partialName?: string
}

export interface RotaryReading {
  readonly rotary: RotarySpec
  /** Most tokens that the scaled positions are made for. */
  readonly contextLength: number
}

const TYPES = ['default', 'linear', 'dynamic', 'llama3', 'yarn'] as const
const BASE = { min: 1.000001, max: 1e30 }
const FACTOR = { min: 1e-6, max: 1e6 }
const PART = { min: 1e-6, max: 1 }
const LENGTH = { max: 2 ** 27 }

/**
 * Rotary settings in either spelling, `rope_theta` with `rope_scaling` or `rope_parameters`. Scaling follows transformers'
 * modeling_rope_utils.py, in float32 steps as there. The context length is what the scaling was made for, as vLLM takes
 * it: positions times factor for linear and dynamic scaling, the original length times factor for YaRN; Llama 3's
 * `max_position_embeddings` already counts the scaling.
 */
export function readRotary(c: Config, options: RotaryOptions): RotaryReading {
  const rope = new Config(mergedSpellings(c), c.has('rope_scaling') ? 'rope_scaling' : 'rope_parameters')
  const type = rope.oneOf(['rope_type', 'type'], TYPES, 'default')
  const { positions, headDim } = options
  const theta = inEither(c, rope, 'rope_theta', options.thetaName, options.theta, BASE)
  const part = inEither(c, rope, 'partial_rotary_factor', options.partialName, options.partial ?? 1, PART)
  if (options.partial === undefined && part !== 1) {
    c.unsupported('partial_rotary_factor', 'this family turns whole heads: only 1 is supported')
  }
  const dim = Math.trunc(headDim * part)
  const least = type === 'dynamic' ? 4 : 2
  if (dim % 2 !== 0 || dim < least) {
    rope.unsupported(
      ['rope_type', 'type'],
      `of ${headDim} elements of a head ${dim} turn; an even number from ${least} on can`,
    )
  }
  const original = inEither(c, rope, 'original_max_position_embeddings', undefined, positions, LENGTH)
  if (!Number.isInteger(original)) rope.invalid('original_max_position_embeddings', 'a whole number')
  const scaled = scale(type, rope, { dim, theta, positions, original })
  rope.finish(`"${type}" rotary scaling`)
  return scaled
}

/** The first `dim` elements of each head, unscaled. */
export function plainRotary(dim: number, theta: number, pairs: RotarySpec['pairs']): RotarySpec {
  return { dim, pairs, frequencies: frequencies(dim, theta), scale: 1 }
}

interface Scaling {
  readonly dim: number
  readonly theta: number
  readonly positions: number
  readonly original: number
}

function scale(
  type: (typeof TYPES)[number],
  rope: Config,
  { dim, theta, positions, original }: Scaling,
): RotaryReading {
  const plain = plainRotary(dim, theta, 'half')
  switch (type) {
    case 'default':
      return { rotary: plain, contextLength: positions }
    case 'linear': {
      const factor = rope.number('factor', undefined, FACTOR)
      const slower = plain.frequencies.map((frequency) => Math.fround(frequency / factor))
      return { rotary: { ...plain, frequencies: slower }, contextLength: stretched(positions, factor) }
    }
    case 'dynamic': {
      const factor = rope.number('factor', undefined, FACTOR)
      const dynamic = { theta, factor, original: positions }
      return { rotary: { ...plain, dynamic }, contextLength: stretched(positions, factor) }
    }
    case 'llama3':
      return { rotary: { ...plain, frequencies: llama3(rope, plain.frequencies, original) }, contextLength: positions }
    case 'yarn': {
      const factor = rope.number('factor', positions / original, FACTOR)
      const rotary = { ...plain, ...yarn(rope, plain.frequencies, { dim, theta, factor, original }) }
      return { rotary, contextLength: stretched(original, factor) }
    }
  }
}

/** theta^(-2i / dim), with the roundings of float32 code: at long contexts they decide the angle's last digits. */
function frequencies(dim: number, theta: number): number[] {
  const base = Math.fround(theta)
  return Array.from({ length: dim / 2 }, (_, i) => Math.fround(1 / Math.fround(base ** Math.fround((2 * i) / dim))))
}

/** Llama 3.1: slow pairs turn `factor` times slower, fast ones as ever, those between blend. */
function llama3(rope: Config, plain: readonly number[], original: number): number[] {
  const factor = rope.number('factor', undefined, FACTOR)
  const low = rope.number('low_freq_factor', undefined, FACTOR)
  const high = rope.number('high_freq_factor', undefined, FACTOR)
  if (high <= low) rope.invalid('high_freq_factor', `larger than low_freq_factor, ${low}`)
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency
    if (wavelength < original / high) return frequency
    if (wavelength > original / low) return Math.fround(frequency / factor)
    const blend = (original / wavelength - low) / (high - low)
    return Math.fround(((1 - blend) * frequency) / factor + blend * frequency)
  })
}

function stretched(positions: number, factor: number): number {
  return Math.min(LENGTH.max, Math.max(1, Math.floor(positions * factor)))
}

/** A setting may stand inside the rotary object or beside it; both must agree. */
function inEither(
  c: Config,
  rope: Config,
  name: string,
  otherName: string | undefined,
  fallback: number,
  range: Range,
): number {
  const names: Names = otherName === undefined ? name : [name, otherName]
  const outside = c.numberOrNone(names, undefined, range)
  const inside = rope.numberOrNone(name, undefined, range)
  if (outside !== undefined && inside !== undefined && outside !== inside) {
    rope.invalid(name, `${outside}, as it stands outside`)
  }
  return inside ?? outside ?? fallback
}

function mergedSpellings(c: Config): Record<string, unknown> {
  const older = c.object('rope_scaling') ?? {}
  const newer = c.object('rope_parameters') ?? {}
  for (const [name, value] of Object.entries(older)) {
    if (Object.hasOwn(newer, name) && newer[name] !== value) {
      c.invalid('rope_scaling', 'the same as rope_parameters, or absent')
    }
  }
  return Object.fromEntries([...Object.entries(newer), ...Object.entries(older)])
}
