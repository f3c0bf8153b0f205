export interface RotaryParameters {
  /** Elements of a head that turn, from its start; even. */
  readonly dim: number
  readonly pairs: 'half' | 'interleaved'
  /** [dim / 2], radians a position. */
  readonly frequencies: Float32Array
  readonly scale: number
  readonly dynamic?: { readonly theta: number; readonly factor: number; readonly original: number }
}

/** Cosine and sine of each pair, [dim / 2] each, float32. */
export interface Turn {
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/**
 * How far a token at `position` turns: the angle of pair i is position * frequencies[i], rounded to float32 as the
 * checkpoints' own code does. `length` matters only to dynamic NTK scaling.
 */
export function turnAt(rotary: RotaryParameters, position: number, length: number): Turn {
  const frequencies = frequenciesFor(rotary, length)
  const cos = new Float32Array(frequencies.length)
  const sin = new Float32Array(frequencies.length)
  for (let i = 0; i < frequencies.length; i++) {
    const angle = Math.fround(position * frequencies[i]!)
    cos[i] = Math.cos(angle) * rotary.scale
    sin[i] = Math.sin(angle) * rotary.scale
  }
  return { cos, sin }
}

/** Rotary embedding of one head in place: pair (a, b) becomes (a cos - b sin, b cos + a sin). Su et al. 2021. */
export function rotate(head: Float32Array, { dim, pairs }: RotaryParameters, { cos, sin }: Turn): void {
  const half = dim / 2
  for (let i = 0; i < half; i++) {
    const first = pairs === 'half' ? i : 2 * i
    const second = pairs === 'half' ? i + half : 2 * i + 1
    const a = head[first]!
    const b = head[second]!
    head[first] = a * cos[i]! - b * sin[i]!
    head[second] = b * cos[i]! + a * sin[i]!
  }
}

/**
 * Dynamic NTK: beyond the length it was trained for, a model turns with a larger base, so that its slowest pair spans
 * the longer text (bloc97, 2023: "Dynamically Scaled RoPE").
 */
function frequenciesFor({ dim, frequencies, dynamic }: RotaryParameters, length: number): Float32Array {
  if (!dynamic || length <= dynamic.original) return frequencies
  const { theta, factor, original } = dynamic
  const base = theta * ((factor * length) / original - (factor - 1)) ** (dim / (dim - 2))
  return Float32Array.from({ length: dim / 2 }, (_, i) => base ** ((-2 * i) / dim))
}
