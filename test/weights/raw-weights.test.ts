import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  constant,
  type RawSpan,
  sourceShape,
  stack,
  type TensorPart,
  tensor,
  type WeightReader,
  type WeightSource,
  zeros,
} from '../../src/program/weight-source.js'
import { toFloat32 } from '../../src/weights/dtype.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../support/memory-checkpoint.js'

const DTYPES = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const

/** Reads every span and puts each element where its view says; fails where a row comes twice or never. */
async function gather({ raw }: WeightReader, source: WeightSource, spans: readonly RawSpan[]): Promise<Float32Array> {
  const [rows, ...columns] = sourceShape(source) as [number, ...number[]]
  const width = columns.reduce((product, size) => product * size, 1)
  const out = new Float32Array(rows * width)
  const seen = new Set<number>()
  for (const span of spans) {
    const bytes = new Uint8Array(span.bytes)
    await raw!.read(span, bytes)
    const values = toFloat32(DTYPES[span.type], bytes)
    assert.equal(values.length, span.elements)
    for (const view of span.views) {
      assert.equal(view.columns, width)
      for (let r = 0; r < view.rows; r++) {
        assert.ok(!seen.has(view.first + r))
        seen.add(view.first + r)
        for (let c = 0; c < width; c++) {
          out[(view.first + r) * width + c] = values[view.start + r * view.rowStride + c * view.columnStride]!
        }
      }
    }
  }
  assert.equal(seen.size, rows)
  return out
}

const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101) - 50)

test('spans hold what readRows converts, for any rows, columns, orientation, type and size', async () => {
  const part = fc.record({
    start: fc.nat(2),
    length: fc.integer({ min: 1, max: 70 }),
    gap: fc.nat(7),
    repeat: fc.integer({ min: 1, max: 4 }),
    transposed: fc.boolean(),
    narrow: fc.boolean(),
    whole: fc.boolean(),
    dtype: fc.constantFrom('F32', 'F16', 'BF16'),
  })
  const check = fc.asyncProperty(
    fc.array(part, { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 2000 }),
    async (forms, mostBytes) => {
      const checkpoint = new MemoryCheckpoint()
      const parts = forms.map(({ start, length, gap, repeat, transposed, narrow, whole, dtype }, i): TensorPart => {
        const height = start + repeat * (length + gap)
        const stored = narrow ? 7 : 5
        const shape = transposed ? [stored, height] : [height, stored]
        checkpoint.add(`t${i}`, shape, numbers(height * stored), dtype)
        const rows = { start, length, stride: length + gap, repeat }
        return {
          kind: 'tensor',
          ...{ tensor: `t${i}`, transposed, shape: [whole ? height : length * repeat, 5] },
          ...(!whole && { rows }),
          ...(narrow && { columns: { start: 1, length: 5 } }),
        }
      })
      const reader = checkpointReader(checkpoint)
      const source = { parts }
      const spans = reader.raw!.spans(source, mostBytes)!
      for (const { bytes, views, tensor } of spans) {
        const { transposed } = parts.find((part) => part.tensor === tensor)!
        assert.ok(transposed || bytes <= mostBytes || (views.length === 1 && views[0]!.rows === 1))
      }
      const rows = sourceShape(source)[0]!
      assert.deepEqual(await gather(reader, source, spans), await reader.readRows(source, 0, rows))
    },
  )
  await fc.assert(check)
})

describe('few reads', () => {
  const part = (fields: Partial<TensorPart>): WeightSource => ({
    parts: [{ kind: 'tensor', tensor: 'qkv', shape: [4, 3], transposed: true, ...fields }],
  })
  const rows = (start: number) => ({ start, length: 4, stride: 4, repeat: 1, total: 12 })

  test('parts of one transposed tensor share a span, and a view where they follow one another', () => {
    const checkpoint = new MemoryCheckpoint()
    checkpoint.add('qkv', [3, 12], numbers(36))
    const source = stack(part({ rows: rows(0) }), part({ rows: rows(4) }), part({ rows: rows(8) }))
    const view = { first: 0, rows: 12, columns: 3, start: 0, rowStride: 1, columnStride: 12 }
    const span = { tensor: 'qkv', type: 'f32', start: 0, elements: 36, bytes: 144, views: [view] }
    assert.deepEqual(checkpointReader(checkpoint).raw!.spans(source, 1), [span])
  })

  test('a tall tensor is cut into pieces of whole rows', () => {
    const checkpoint = new MemoryCheckpoint()
    checkpoint.add('tall', [300, 2], numbers(600), 'BF16')
    const spans = checkpointReader(checkpoint).raw!.spans(tensor('tall', [300, 2]), 600)!
    assert.deepEqual(
      spans.map(({ start, bytes }) => [start, bytes]),
      [
        [0, 512],
        [256, 512],
        [512, 176],
      ],
    )
  })
})

describe('what has no bytes of its own is left to readRows', () => {
  const checkpoint = new MemoryCheckpoint()
  checkpoint.add('vector', [6], numbers(6))
  checkpoint.tensors.set('wide', { shape: [6], dtype: 'F64', values: numbers(6) })
  const { raw } = checkpointReader(checkpoint)
  const plain = tensor('vector', [6])
  for (const [name, source] of [
    ['zeros', stack(plain, zeros([2]))],
    ['constants', stack(plain, constant([1, 2]))],
    ['a number added', tensor('vector', [6], { plus: 1 })],
    ['another element type', tensor('wide', [6])],
  ] as const) {
    test(name, () => assert.equal(raw!.spans(source, 100), undefined))
  }
})

test('sources that do not fit, and targets of another size, are refused', async () => {
  const checkpoint = new MemoryCheckpoint()
  checkpoint.add('vector', [6], numbers(6))
  const { raw } = checkpointReader(checkpoint)
  assert.throws(() => raw!.spans(tensor('vectr', [6]), 100), { code: 'weight-missing', message: /near names.*vector/ })
  assert.throws(() => raw!.spans(tensor('vector', [7]), 100), { code: 'weight-shape' })
  const [span] = raw!.spans(tensor('vector', [6]), 100)!
  await assert.rejects(raw!.read(span!, new Uint8Array(20)), { code: 'tensor-range-invalid' })
  await assert.rejects(raw!.read({ ...span!, tensor: 'other' }, new Uint8Array(24)), { code: 'weight-shape' })
})
