/** Inputs that share a scale, in every block format here. */
export const BLOCK = 32

/** ggml's Q8_0: per 32 values a float16 scale and 32 signed bytes. `values` are whole blocks. */
export function toQ8(values: Float32Array): Uint8Array {
  const stride = 2 + BLOCK
  const out = new Uint8Array((values.length / BLOCK) * stride)
  for (let block = 0, at = 0; block < values.length; block += BLOCK, at += stride) {
    const scale = Math.abs(extreme(values, block)) / 127
    putHalf(out, at, scale)
    const inverse = scale > 0 ? 1 / scale : 0
    for (let i = 0; i < BLOCK; i++) out[at + 2 + i] = Math.round(values[block + i]! * inverse)
  }
  return out
}

/** ggml's Q4_0: per 32 values a float16 scale and 16 bytes, value i in the low half of byte i, i + 16 in its high half. */
export function toQ4(values: Float32Array): Uint8Array {
  const half = BLOCK / 2
  const stride = 2 + half
  const out = new Uint8Array((values.length / BLOCK) * stride)
  for (let block = 0, at = 0; block < values.length; block += BLOCK, at += stride) {
    const scale = extreme(values, block) / -8
    putHalf(out, at, scale)
    for (let i = 0; i < half; i++) {
      out[at + 2 + i] = nibble(values[block + i]!, scale) | (nibble(values[block + i + half]!, scale) << 4)
    }
  }
  return out
}

/** Weights of onnxruntime's MatMulNBits with 4 bits: neighbours share a byte, scales stand apart. */
export function toNibbles(values: Float32Array): { codes: Uint8Array; scales: Float32Array } {
  const codes = new Uint8Array(values.length / 2)
  const scales = new Float32Array(values.length / BLOCK)
  for (let block = 0; block < values.length; block += BLOCK) {
    const scale = extreme(values, block) / -8
    scales[block / BLOCK] = scale
    for (let i = block; i < block + BLOCK; i += 2) {
      codes[i / 2] = nibble(values[i]!, scale) | (nibble(values[i + 1]!, scale) << 4)
    }
  }
  return { codes, scales }
}

/** One signed byte a value and one scale a row. */
export function toBytes(values: Float32Array, columns: number): { codes: Int8Array; scales: Float32Array } {
  const codes = new Int8Array(values.length)
  const scales = new Float32Array(values.length / columns)
  for (let row = 0; row < scales.length; row++) {
    const begin = row * columns
    let largest = 0
    for (let i = begin; i < begin + columns; i++) largest = Math.max(largest, Math.abs(values[i]!))
    scales[row] = largest / 127
    const inverse = largest > 0 ? 127 / largest : 0
    for (let i = begin; i < begin + columns; i++) codes[i] = Math.round(values[i]! * inverse)
  }
  return { codes, scales }
}

/** float16 bits of bfloat16 bits; there are few enough to tabulate. */
export function toHalves(bits: Uint16Array): Uint16Array {
  halves ??= Uint16Array.from({ length: 0x10000 }, (_, b) => halfBits(b << 16))
  const table = halves
  return bits.map((b) => table[b]!)
}

let halves: Uint16Array | undefined
const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

/** The value of a block that is farthest from 0, with its sign. */
function extreme(values: Float32Array, begin: number): number {
  let found = 0
  for (let i = begin; i < begin + BLOCK; i++) {
    if (Math.abs(values[i]!) > Math.abs(found)) found = values[i]!
  }
  return found
}

function nibble(value: number, scale: number): number {
  return scale === 0 ? 8 : Math.min(15, Math.floor(value / scale + 8.5))
}

function putHalf(out: Uint8Array, at: number, value: number): void {
  single[0] = value
  const bits = halfBits(singleBits[0]!)
  out[at] = bits & 0xff
  out[at + 1] = bits >>> 8
}

/** float16 bits of float32 bits, to nearest, ties to even; what is too large becomes infinity. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const exponent = ((bits >>> 23) & 0xff) - 112
  const fraction = (bits & 0x7fffff) | 0x800000
  if (exponent >= 31) return sign | 0x7c00
  const shift = exponent > 0 ? 13 : 14 - exponent
  if (shift > 24) return sign
  const rest = fraction & ((1 << shift) - 1)
  const middle = 1 << (shift - 1)
  const kept = fraction >>> shift
  const rounded = kept + (rest > middle || (rest === middle && kept & 1) ? 1 : 0)
  // The leading bit of a normal number adds one to the exponent.
  return sign | (exponent > 0 ? ((exponent - 1) << 10) + rounded : rounded)
}
