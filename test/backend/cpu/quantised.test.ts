import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { STORAGE } from '../../../src/backend/cpu/abi.js'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import { referenceBackend } from '../../../src/backend/reference/backend.js'
import { bf16ToFloat32, f16ToFloat32, float32ToBf16, float32ToF16 } from '../../../src/weights/dtype.js'
import { compareOutputs, exactStorage, operationCases, runCase } from '../../support/operation-cases.js'
import { Random } from '../../support/random.js'
import { dequantised, stored } from './support/dequantised.js'
import { atEveryLevel, skip } from './support/levels.js'

/** Sums of twelve uniform numbers: nearly normal, as trained weights are. */
function normalRows(rows: number, inputs: number): Float32Array {
  const random = new Random(rows * inputs)
  return Float32Array.from({ length: rows * inputs }, () => {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += random.next()
    return sum
  })
}

/** GGUF's Q8_0 and Q4_0: groups of 32, the extreme value at 127 or at -8, scales in 16 bits (here exact, to its favour). */
function gguf(values: Float32Array, inputs: number, low: number, high: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let row = 0; row < values.length; row += inputs) {
    for (let start = row; start < row + inputs; start += 32) {
      const group = values.subarray(start, Math.min(start + 32, row + inputs))
      const extreme = group.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0)
      const scale = low === -8 ? extreme / low : Math.abs(extreme) / high
      group.forEach((value, i) => {
        out[start + i] = scale === 0 ? 0 : Math.min(high, Math.max(low, Math.round(value / scale))) * scale
      })
    }
  }
  return out
}

function squaredError(actual: Float32Array, expected: Float32Array): number {
  return actual.reduce((sum, value, i) => sum + (value - expected[i]!) ** 2, 0)
}

describe('what storing weights costs', { skip }, () => {
  const [rows, inputs] = [40, 320]
  const weights = normalRows(rows, inputs)

  test('int8 by channel: half a step of the channel’s largest weight', async () => {
    const kept = await stored(weights, inputs, STORAGE.int8)
    for (let row = 0; row < rows; row++) {
      const [from, to] = [row * inputs, (row + 1) * inputs]
      const step = weights.subarray(from, to).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
      // The scale may be chosen up to 1 % smaller, which clips the largest weight by as much.
      const worst = kept
        .subarray(from, to)
        .reduce((most, value, i) => Math.max(most, Math.abs(value - weights[from + i]!)), 0)
      assert.ok(worst <= 0.5 * step + 0.01 * 127 * step, `row ${row}: ${worst / step} steps`)
    }
    const spread = Math.sqrt(squaredError(kept, weights) / squaredError(weights, new Float32Array(weights.length)))
    assert.ok(spread < 0.01, `${spread}`)
  })

  test('int8 in groups is as accurate as Q8_0', async () => {
    const kept = await stored(weights, inputs, STORAGE.int8Group32)
    assert.ok(squaredError(kept, weights) <= 1.02 * squaredError(gguf(weights, inputs, -127, 127), weights))
  })

  test('int4 in groups of 32 is more accurate than Q4_0', async () => {
    const kept = await stored(weights, inputs, STORAGE.int4Group32)
    assert.ok(squaredError(kept, weights) < 0.95 * squaredError(gguf(weights, inputs, -8, 7), weights))
  })

  test('16-bit types are rounded to nearest, float32 is kept', async () => {
    assert.deepEqual(await stored(weights, inputs, STORAGE.f32), weights)
    assert.deepEqual(await stored(weights, inputs, STORAGE.bf16), bf16ToFloat32(float32ToBf16(weights)))
    assert.deepEqual(await stored(weights, inputs, STORAGE.f16), f16ToFloat32(float32ToF16(weights)))
  })
})

/**
 * Against the reference backend with the same stored weights. Where a level multiplies integers, what is left is the
 * rounding of x to 127 steps in each group: x is uniform here, so its error is 1 / (127 sqrt(12)) of the largest, 0.4 % of
 * its root mean square, and so is that of a sum of independent products; short sums deviate more. Elsewhere x stays f32.
 */
const INTEGERS = 1.5e-2
const FLOATS = 4e-6
/** An expert's second product doubles the square. */
const MOE_FACTOR = 1.5

atEveryLevel('products of quantised weights are those of the weights as stored', (level) => {
  const withIntegers = level.startsWith('avx512')
  for (const weightType of ['int8', 'int4'] as const) {
    for (const kind of ['linear', 'logits', 'moe', 'embed'] as const) {
      test(`${weightType} ${kind}`, async () => {
        for (const operationCase of operationCases.filter(({ operation }) => operation === kind)) {
          const exact = exactStorage(cpuBackend)
          const storage = { ...exact, weightType }
          const built = operationCase.build(storage)
          const plain = operationCase.build(exact)
          const weights = dequantised(built.program, plain.weights)
          const expected = await runCase(referenceBackend, { ...plain, weights }, exact)
          const outputs = await runCase(cpuBackend, built, storage, { threads: 2 })
          const bound = withIntegers && kind !== 'embed' ? INTEGERS * (kind === 'moe' ? MOE_FACTOR : 1) : FLOATS
          try {
            compareOutputs(
              outputs,
              expected.map(({ hidden, logits }) => ({ hidden, logits })),
              bound,
            )
          } catch (error) {
            throw new Error(operationCase.name, { cause: error })
          }
        }
      })
    }
  }
})
