import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isWarplineError } from '../../src/errors.js'
import {
  bf16ToFloat32,
  type CheckpointDtype,
  DTYPE_BYTES,
  f16ToFloat32,
  float32ToBf16,
  float32ToF16,
  fromFloat32,
  isCheckpointDtype,
  toFloat32,
} from '../../src/weights/dtype.js'

/** The value of a binary float by its definition: `exponentBits` and `fractionBits` wide, IEEE special values. */
function ieeeValue(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = (bits >>> (exponentBits + fractionBits)) & 1 ? -1 : 1
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1)
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias)
  return sign * (1 + fraction) * 2 ** (exponent - bias)
}

const half = (bits: number) => ieeeValue(bits, 5, 10)
const brain = (bits: number) => ieeeValue(bits, 8, 7)
const all16 = Uint16Array.from({ length: 0x10000 }, (_, i) => i)

/** Nearest of all finite values of a 16-bit format, ties to the even pattern, infinite from half a step past the largest. */
function roundByDefinition(x: number, value: (bits: number) => number, infinity: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  const magnitude = Math.abs(x)
  let low = 0
  let high = infinity
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (value(middle) <= magnitude) low = middle
    else high = middle
  }
  const above = high === infinity ? 2 * value(infinity - 1) - value(infinity - 2) : value(high)
  const toLow = magnitude - value(low)
  const toHigh = above - magnitude
  if (magnitude === Number.POSITIVE_INFINITY) return sign | infinity
  return sign | (toLow < toHigh || (toLow === toHigh && low % 2 === 0) ? low : high)
}

/** Any float32 by its bits, and neighbourhoods of the borders of the 16-bit formats. */
const anyFloat32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }).map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0]!),
  fc
    .record({ bits: fc.integer({ min: 0, max: 0xffff }), step: fc.integer({ min: -2, max: 2 }), brain: fc.boolean() })
    .map(({ bits, step, brain: isBrain }) => {
      const value = isBrain ? brain(bits) : half(bits)
      const next = isBrain ? brain(bits + 1) : half(bits + 1)
      const middle = new Uint32Array(Float32Array.of((value + next) / 2).buffer)
      return new Float32Array(Uint32Array.of(middle[0]! + step).buffer)[0]!
    }),
)

test('every half and every bfloat16 pattern widens to its exact value', () => {
  const halves = f16ToFloat32(all16)
  const brains = bf16ToFloat32(all16)
  for (const bits of all16) {
    assert.ok(Object.is(halves[bits], half(bits)), `half ${bits.toString(16)}`)
    assert.ok(Object.is(brains[bits], brain(bits)), `bfloat16 ${bits.toString(16)}`)
  }
})

test('every 16-bit pattern that is a number survives widening and rounding', () => {
  const halves = float32ToF16(f16ToFloat32(all16))
  const brains = float32ToBf16(bf16ToFloat32(all16))
  for (const bits of all16) {
    if (!Number.isNaN(half(bits))) assert.equal(halves[bits], bits)
    else assert.ok(Number.isNaN(half(halves[bits]!)))
    if (!Number.isNaN(brain(bits))) assert.equal(brains[bits], bits)
    else assert.ok(Number.isNaN(brain(brains[bits]!)))
  }
})

test('rounding to half and bfloat16 takes the nearest value, ties to even', () => {
  fc.assert(
    fc.property(anyFloat32, (x) => {
      const asHalf = float32ToF16(Float32Array.of(x))[0]!
      const asBrain = float32ToBf16(Float32Array.of(x))[0]!
      if (Number.isNaN(x)) return Number.isNaN(half(asHalf)) && Number.isNaN(brain(asBrain))
      assert.equal(asHalf, roundByDefinition(x, half, 0x7c00), `half of ${x}`)
      assert.equal(asBrain, roundByDefinition(x, brain, 0x7f80), `bfloat16 of ${x}`)
    }),
    { numRuns: 20_000 },
  )
})

test('rounding a subnormal half is not fooled by a bit far below the tie', () => {
  const justAboveTie = 2 ** -25 + 2 ** -48
  assert.equal(float32ToF16(Float32Array.of(2 ** -25))[0], 0)
  assert.equal(float32ToF16(Float32Array.of(justAboveTie))[0], 1)
  assert.equal(float32ToF16(Float32Array.of(65519.99609375))[0], 0x7bff)
  assert.equal(float32ToF16(Float32Array.of(65520))[0], 0x7c00)
})

test('every 8-bit float widens to its exact value', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  const e5m2 = toFloat32('F8_E5M2', bytes)
  const e4m3 = toFloat32('F8_E4M3', bytes)
  for (const byte of bytes) {
    assert.ok(Object.is(e5m2[byte], ieeeValue(byte, 5, 2)), `e5m2 ${byte}`)
    // The fn variant gives the patterns of infinity and most NaNs to numbers: only all ones is NaN.
    const exponent = (byte >>> 3) & 15
    const sign = byte & 0x80 ? -1 : 1
    const number = exponent === 0 ? (byte & 7) * 2 ** -9 : (1 + (byte & 7) / 8) * 2 ** (exponent - 7)
    assert.ok(Object.is(e4m3[byte], (byte & 0x7f) === 0x7f ? Number.NaN : sign * number), `e4m3 ${byte}`)
  }
  assert.equal(e4m3[0x7e], 448)
})

test('integers, booleans and doubles become the nearest float32', () => {
  const cases: [CheckpointDtype, ArrayBufferView, number[]][] = [
    ['F64', Float64Array.of(1 / 3, -1e300, 2 ** -149), [Math.fround(1 / 3), Number.NEGATIVE_INFINITY, 2 ** -149]],
    ['I64', BigInt64Array.of(-5n, 1n << 40n), [-5, 2 ** 40]],
    ['U64', BigUint64Array.of(5n, (1n << 64n) - 1n), [5, 2 ** 64]],
    ['I32', Int32Array.of(-7, 16777217), [-7, 16777216]],
    ['U32', Uint32Array.of(0xffffffff), [2 ** 32]],
    ['I16', Int16Array.of(-32768), [-32768]],
    ['U16', Uint16Array.of(65535), [65535]],
    ['I8', Int8Array.of(-128, 127), [-128, 127]],
    ['U8', Uint8Array.of(255), [255]],
    ['BOOL', Uint8Array.of(0, 1, 2), [0, 1, 1]],
    ['F32', Float32Array.of(1.5, -0), [1.5, -0]],
  ]
  for (const [dtype, view, expected] of cases) {
    const bytes = new Uint8Array(view.buffer)
    assert.deepEqual([...toFloat32(dtype, bytes)], expected, dtype)
  }
})

test('bytes that start at an odd offset convert like aligned ones', () => {
  for (const dtype of Object.keys(DTYPE_BYTES) as CheckpointDtype[]) {
    const width = DTYPE_BYTES[dtype]
    const bytes = Uint8Array.from({ length: 4 * width }, (_, i) => (i * 37 + 11) & 0x7f)
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    assert.deepEqual(toFloat32(dtype, shifted.subarray(3)), toFloat32(dtype, bytes), dtype)
  }
})

test('float32 values round-trip through each storage type to its precision', () => {
  const values = Float32Array.of(0, -1, 3.140625, 65504)
  assert.deepEqual(toFloat32('F32', fromFloat32('F32', values)), values)
  assert.deepEqual(toFloat32('F16', fromFloat32('F16', values)), values)
  assert.deepEqual(toFloat32('BF16', fromFloat32('BF16', values)), Float32Array.of(0, -1, 3.140625, 65536))
  const bytes = fromFloat32('F32', values)
  bytes[3] = 0xff
  assert.equal(values[0], 0, 'the bytes are a copy')
})

test('a wrong number of bytes is refused', () => {
  const isInvalid = (error: unknown) => isWarplineError(error) && error.code === 'tensor-invalid'
  assert.throws(() => toFloat32('F32', new Uint8Array(6)), isInvalid)
  assert.throws(() => toFloat32('F32', new Uint8Array(8), new Float32Array(3)), isInvalid)
})

test('names inherited by every object are no element types', () => {
  assert.ok(isCheckpointDtype('BF16'))
  for (const name of ['toString', '__proto__', 'constructor', 'f32', '']) assert.ok(!isCheckpointDtype(name), name)
})
