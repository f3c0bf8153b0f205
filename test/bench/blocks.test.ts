import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BLOCK, toBytes, toHalves, toNibbles, toQ4, toQ8 } from '../../bench/cpu/models/blocks.js'
import { transpose, valuesOf, widen } from '../../bench/cpu/models/values.js'
import { Random } from '../support/random.js'

const VALUES = new Random(1).floats(8 * BLOCK)

/** IEEE 754 half precision; finite values. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -size : size
}

function assertClose(found: number[], tolerance: (block: number) => number): void {
  assert.equal(found.length, VALUES.length)
  for (const [i, value] of found.entries()) {
    const error = Math.abs(value - VALUES[i]!)
    assert.ok(error <= tolerance(Math.floor(i / BLOCK)), `value ${i} is off by ${error}`)
  }
}

function largest(block: number): number {
  return Math.max(...VALUES.subarray(block * BLOCK, (block + 1) * BLOCK).map(Math.abs))
}

test('Q8_0 keeps each value within half a step of its block', () => {
  const bytes = Buffer.from(toQ8(VALUES))
  const found = Array.from(VALUES, (_, i) => {
    const at = Math.floor(i / BLOCK) * 34
    return half(bytes.readUInt16LE(at)) * bytes.readInt8(at + 2 + (i % BLOCK))
  })
  assertClose(found, (block) => largest(block) * (0.5 / 127 + 1e-3))
})

test('Q4_0 keeps values in the halves of bytes, 16 apart', () => {
  const bytes = Buffer.from(toQ4(VALUES))
  const found = Array.from(VALUES, (_, i) => {
    const at = Math.floor(i / BLOCK) * 18
    const byte = bytes[at + 2 + (i % 16)]!
    return half(bytes.readUInt16LE(at)) * ((i % BLOCK < 16 ? byte & 15 : byte >> 4) - 8)
  })
  // The code of the value opposite the extreme one is cut off at 7.
  assertClose(found, (block) => largest(block) * (1 / 8 + 1e-3))
})

test('MatMulNBits keeps neighbours in one byte', () => {
  const { codes, scales } = toNibbles(VALUES)
  const found = Array.from(VALUES, (_, i) => {
    const byte = codes[i >> 1]!
    return scales[Math.floor(i / BLOCK)]! * ((i % 2 === 0 ? byte & 15 : byte >> 4) - 8)
  })
  assertClose(found, (block) => largest(block) * (1 / 8 + 1e-6))
})

test('INT8 has one scale a row', () => {
  const { codes, scales } = toBytes(VALUES, 2 * BLOCK)
  assert.equal(scales.length, 4)
  const found = Array.from(VALUES, (_, i) => codes[i]! * scales[Math.floor(i / (2 * BLOCK))]!)
  assertClose(found, (block) => Math.max(largest(block), largest(block ^ 1)) * (0.5 / 127 + 1e-6))
})

test('bfloat16 becomes float16 to nearest, tiny values denormal, huge ones infinite', () => {
  const bits = Uint16Array.from([0x3f80, 0xbf81, 0x3400, 0x3380, 0x3300, 0x4780, 0x8000])
  const halves = toHalves(bits)
  assert.deepEqual(Array.from(halves.subarray(0, 4), half), [1, -1.0078125, 2 ** -23, 2 ** -24])
  assert.deepEqual(Array.from(halves.subarray(4)), [0, 0x7c00, 0x8000])
})

test('a weight has the same values whenever asked, and others than another weight', () => {
  const weight = { id: 'layers.0.up', rows: 64, columns: 256, kind: 'matrix' } as const
  const values = valuesOf(weight)
  assert.deepEqual(valuesOf(weight), values)
  assert.notDeepEqual(valuesOf({ ...weight, id: 'layers.1.up' }), values)
  const deviation = Math.sqrt(widen(values).reduce((sum, value) => sum + value * value, 0) / values.length)
  assert.ok(Math.abs(deviation * 16 - 1) < 0.05, `deviation ${deviation}`)
})

test('transposing swaps rows and columns across tiles', () => {
  const [rows, columns] = [67, 130]
  const values = Float32Array.from({ length: rows * columns }, (_, i) => i)
  const turned = transpose(values, rows, columns)
  assert.deepEqual([turned[0], turned[1], turned[rows], turned[129 * rows + 66]], [0, columns, 1, values.length - 1])
})
