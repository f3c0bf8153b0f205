import { WarplineError } from '../errors.js'

/**
 * Element types of the safetensors format that this reader knows. F8_E4M3 is the "fn" variant (no infinities, largest
 * value 448); both F8 types are defined in "FP8 Formats for Deep Learning", Micikevicius et al. 2022.
 */
export type CheckpointDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'F8_E4M3'
  | 'F8_E5M2'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<CheckpointDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
}

export function isCheckpointDtype(name: string): name is CheckpointDtype {
  return Object.hasOwn(DTYPE_BYTES, name)
}

/** float32 has all values of a 16-bit or 8-bit float, so widening is a table of float32 bit patterns; NaN payloads stay. */
let halfTable: Uint32Array | undefined
let e4m3Table: Uint32Array | undefined

function float32Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!
}

function halfBits(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0
  if (exponent === 0) return (sign | float32Bits(fraction * 2 ** -24)) >>> 0
  return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
}

function e4m3Bits(byte: number): number {
  const sign = (byte & 0x80) << 24
  const exponent = (byte >>> 3) & 0xf
  const fraction = byte & 7
  if (exponent === 0xf && fraction === 7) return (sign | 0x7fc00000) >>> 0
  if (exponent === 0) return (sign | float32Bits(fraction * 2 ** -9)) >>> 0
  return (sign | ((exponent + 120) << 23) | (fraction << 20)) >>> 0
}

function getHalfTable(): Uint32Array {
  halfTable ??= Uint32Array.from({ length: 0x10000 }, (_, half) => halfBits(half))
  return halfTable
}

function getE4m3Table(): Uint32Array {
  e4m3Table ??= Uint32Array.from({ length: 0x100 }, (_, byte) => e4m3Bits(byte))
  return e4m3Table
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

/** bfloat16 bit patterns to float32: exact. `out` has the length of `bits`. */
export function bf16ToFloat32(bits: Uint16Array, out: Float32Array = new Float32Array(bits.length)): Float32Array {
  const wide = bitsOf(out)
  for (let i = 0; i < bits.length; i++) wide[i] = bits[i]! << 16
  return out
}

/** IEEE binary16 bit patterns to float32: exact, subnormals included. `out` has the length of `bits`. */
export function f16ToFloat32(bits: Uint16Array, out: Float32Array = new Float32Array(bits.length)): Float32Array {
  const table = getHalfTable()
  const wide = bitsOf(out)
  for (let i = 0; i < bits.length; i++) wide[i] = table[bits[i]!]!
  return out
}

/** Rounds to bfloat16, ties to even; what is too large becomes infinite, NaN stays NaN (and quiet). */
export function float32ToBf16(values: Float32Array, out: Uint16Array = new Uint16Array(values.length)): Uint16Array {
  const wide = bitsOf(values)
  for (let i = 0; i < wide.length; i++) {
    const bits = wide[i]!
    const notANumber = (bits & 0x7fffffff) > 0x7f800000
    out[i] = notANumber ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
  }
  return out
}

const HALF_OVERFLOW = 0x477ff000 // 65520, halfway between the largest half and 2^16: ties to even, so it overflows
const HALF_SMALLEST_NORMAL = 0x38800000 // 2^-14
const FLOAT64_UNIT_SPACING = 2 ** 52 // adding it to a smaller double rounds that to an integer, ties to even

/** Rounds to IEEE binary16, ties to even; what is too large becomes infinite, NaN stays NaN (and quiet). */
export function float32ToF16(values: Float32Array, out: Uint16Array = new Uint16Array(values.length)): Uint16Array {
  const wide = bitsOf(values)
  for (let i = 0; i < wide.length; i++) {
    const bits = wide[i]!
    const sign = (bits >>> 16) & 0x8000
    const magnitude = bits & 0x7fffffff
    if (magnitude > 0x7f800000) out[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
    else if (magnitude >= HALF_OVERFLOW) out[i] = sign | 0x7c00
    else if (magnitude >= HALF_SMALLEST_NORMAL) {
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
    } else {
      const multiples = Math.abs(values[i]!) * 2 ** 24
      out[i] = sign | (multiples + FLOAT64_UNIT_SPACING - FLOAT64_UNIT_SPACING)
    }
  }
  return out
}

/** Typed views need an aligned start; a slice of a file rarely has one, a copy always. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice()
}

const decoders: Record<CheckpointDtype, (bytes: Uint8Array, out: Float32Array) => void> = {
  F64: (b, out) => out.set(new Float64Array(b.buffer, b.byteOffset, out.length)),
  F32: (b, out) => out.set(new Float32Array(b.buffer, b.byteOffset, out.length)),
  F16: (b, out) => f16ToFloat32(new Uint16Array(b.buffer, b.byteOffset, out.length), out),
  BF16: (b, out) => bf16ToFloat32(new Uint16Array(b.buffer, b.byteOffset, out.length), out),
  F8_E4M3: (b, out) => {
    const table = getE4m3Table()
    const wide = bitsOf(out)
    for (let i = 0; i < wide.length; i++) wide[i] = table[b[i]!]!
  },
  F8_E5M2: (b, out) =>
    f16ToFloat32(
      Uint16Array.from(b, (byte) => byte << 8),
      out,
    ),
  I64: (b, out) => {
    const wide = new BigInt64Array(b.buffer, b.byteOffset, out.length)
    for (let i = 0; i < out.length; i++) out[i] = Number(wide[i]!)
  },
  I32: (b, out) => out.set(new Int32Array(b.buffer, b.byteOffset, out.length)),
  I16: (b, out) => out.set(new Int16Array(b.buffer, b.byteOffset, out.length)),
  I8: (b, out) => out.set(new Int8Array(b.buffer, b.byteOffset, out.length)),
  U64: (b, out) => {
    const wide = new BigUint64Array(b.buffer, b.byteOffset, out.length)
    for (let i = 0; i < out.length; i++) out[i] = Number(wide[i]!)
  },
  U32: (b, out) => out.set(new Uint32Array(b.buffer, b.byteOffset, out.length)),
  U16: (b, out) => out.set(new Uint16Array(b.buffer, b.byteOffset, out.length)),
  U8: (b, out) => out.set(b),
  BOOL: (b, out) => {
    for (let i = 0; i < out.length; i++) out[i] = b[i] === 0 ? 0 : 1
  },
}

/**
 * Raw little-endian elements as float32 in `out` (a new array unless given). Exact for every float type up to 32 bits
 * and for integers below 2^24, else rounded to nearest. `bytes` may start at any offset of its buffer.
 */
export function toFloat32(dtype: CheckpointDtype, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const width = DTYPE_BYTES[dtype]
  const count = bytes.byteLength / width
  if (!Number.isInteger(count) || (out && out.length !== count)) {
    const wanted = out ? `${out.length} elements` : 'whole elements'
    throw new WarplineError('tensor-invalid', `${bytes.byteLength} bytes of ${dtype} are not ${wanted}`)
  }
  const target = out ?? new Float32Array(count)
  decoders[dtype](aligned(bytes, width), target)
  return target
}

/** Float32 values as raw little-endian elements of a storage type, rounded to nearest, ties to even. */
export function fromFloat32(dtype: 'F32' | 'F16' | 'BF16', values: Float32Array): Uint8Array {
  const stored = dtype === 'F32' ? values.slice() : dtype === 'F16' ? float32ToF16(values) : float32ToBf16(values)
  return new Uint8Array(stored.buffer)
}
