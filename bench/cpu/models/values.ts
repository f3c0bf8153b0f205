import type { Weight } from './weights.js'

const BIAS_DEVIATION = 0.05
const NORM_DEVIATION = 0.1
const NORMALS = 0x10000

/**
 * A tensor's values as bfloat16 bits, row after row; the same for the same id in every format. Normal: matrices keep the
 * size of what they multiply (deviation 1 / sqrt(columns)), biases are small, norms near 1.
 */
export function valuesOf({ id, rows, columns, kind }: Weight): Uint16Array {
  const scale = kind === 'matrix' ? columns ** -0.5 : kind === 'bias' ? BIAS_DEVIATION : NORM_DEVIATION
  const table = Uint16Array.from(normals(), (value) => toBfloat16(value * scale + (kind === 'norm' ? 1 : 0)))
  const values = new Uint16Array(rows * columns)
  const next = generator(seedOf(id))
  for (let i = 0; i < values.length; i += 2) {
    const bits = next()
    values[i] = table[bits & 0xffff]!
    values[i + 1] = table[bits >>> 16]!
  }
  return values
}

/** bfloat16 is the upper half of a float32. */
export function widen(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length)
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16
  return new Float32Array(wide.buffer)
}

/** [rows, columns] to [columns, rows], in tiles that fit the cache. */
export function transpose<T extends Uint16Array | Int8Array | Float32Array>(
  values: T,
  rows: number,
  columns: number,
): T {
  const turned = new (values.constructor as new (length: number) => T)(values.length)
  const tile = 64
  for (let r0 = 0; r0 < rows; r0 += tile) {
    for (let c0 = 0; c0 < columns; c0 += tile) {
      for (let c = c0; c < Math.min(c0 + tile, columns); c++) {
        for (let r = r0; r < Math.min(r0 + tile, rows); r++) turned[c * rows + r] = values[r * columns + c]!
      }
    }
  }
  return turned
}

/** To nearest, ties to even; finite values only. */
function toBfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

let cachedNormals: Float32Array | undefined

/** A large sample of the normal distribution (Box and Muller 1958), to draw from. */
function normals(): Float32Array {
  cachedNormals ??= Float32Array.from({ length: NORMALS }, sampler(generator(1)))
  return cachedNormals
}

function sampler(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * next()) / 2 ** 32)
}

/** xorshift32 (Marsaglia 2003): 32 random bits a call. */
function generator(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** FNV-1a. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}
