import type { KernelType } from './codes.js'

/** `count` numbers of a type from byte `offset`, copied. */
export function toFloat32(type: KernelType, memory: ArrayBuffer, offset: number, count: number): Float32Array {
  if (type === 'f32') return new Float32Array(memory, offset, count).slice()
  const bits = new Uint16Array(memory, offset, count)
  const out = new Float32Array(count)
  if (type === 'bf16') {
    const words = new Uint32Array(out.buffer)
    for (let i = 0; i < count; i++) words[i] = bits[i]! << 16
  } else for (let i = 0; i < count; i++) out[i] = fromHalf(bits[i]!)
  return out
}

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
