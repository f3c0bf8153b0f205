import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { constant, stack, type TensorPart, tensor, type WeightSource, zeros } from '../../src/program/weight-source.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../support/memory-checkpoint.js'

const floats = (...values: number[]) => Float32Array.from(values)

/** Element [r, c] of `matrix` [6, 4] is 10 r + c; `matrix-t` is its transpose; `vector` [6] holds 0, 10, ... */
class Counting extends MemoryCheckpoint {
  readonly reads: { name: string; elements: number }[] = []

  constructor() {
    super()
    const value = (i: number) => 10 * Math.floor(i / 4) + (i % 4)
    this.add(
      'matrix',
      [6, 4],
      Float32Array.from({ length: 24 }, (_, i) => value(i)),
    )
    this.add(
      'matrix-t',
      [4, 6],
      Float32Array.from({ length: 24 }, (_, i) => 10 * (i % 6) + Math.floor(i / 6)),
    )
    this.add('vector', [6], floats(0, 10, 20, 30, 40, 50))
    this.add(
      'stacked',
      [2, 3, 4],
      Float32Array.from({ length: 24 }, (_, i) => value(i)),
    )
    this.add('scalar', [], floats(1))
  }

  override async readFloat32(name: string, range?: { start?: number; length?: number }): Promise<Float32Array> {
    const values = await super.readFloat32(name, range)
    this.reads.push({ name, elements: values.length })
    return values
  }
}

const read = (source: WeightSource, first: number, count: number) =>
  checkpointReader(new Counting()).readRows(source, first, count)
const part = (fields: Partial<TensorPart>): WeightSource => ({
  parts: [{ kind: 'tensor', tensor: 'matrix', shape: [6, 4], transposed: false, ...fields }],
})

describe('rows', () => {
  test('of a matrix come as it stores them, and no more are read than asked for', async () => {
    const checkpoint = new Counting()
    const values = await checkpointReader(checkpoint).readRows(tensor('matrix', [6, 4]), 2, 2)
    assert.deepEqual(values, floats(20, 21, 22, 23, 30, 31, 32, 33))
    assert.deepEqual(checkpoint.reads, [{ name: 'matrix', elements: 8 }])
  })

  test('of a vector are its elements', async () => {
    assert.deepEqual(await read(tensor('vector', [6]), 1, 3), floats(10, 20, 30))
  })

  test('of a stack of matrices run through all of them', async () => {
    assert.deepEqual(await read(tensor('stacked', [6, 4]), 2, 2), floats(20, 21, 22, 23, 30, 31, 32, 33))
  })

  test('of a transposed tensor are its columns', async () => {
    const source = tensor('matrix-t', [6, 4], { transposed: true })
    assert.deepEqual(await read(source, 2, 2), floats(20, 21, 22, 23, 30, 31, 32, 33))
  })

  test('may be picked in strides', async () => {
    const rows = { start: 1, length: 2, stride: 3, repeat: 2 }
    const expected = floats(10, 11, 12, 13, 20, 21, 22, 23, 40, 41, 42, 43, 50, 51, 52, 53)
    assert.deepEqual(await read(part({ shape: [4, 4], rows }), 0, 4), expected)
    assert.deepEqual(await read(part({ shape: [4, 4], rows }), 1, 2), expected.slice(4, 12))
    assert.deepEqual(
      await read(part({ tensor: 'matrix-t', transposed: true, shape: [4, 4], rows }), 1, 3),
      expected.slice(4),
    )
    assert.deepEqual(await read(part({ tensor: 'vector', shape: [4], rows }), 0, 4), floats(10, 20, 40, 50))
  })

  test('may be cut to some columns', async () => {
    const columns = { start: 1, length: 2 }
    assert.deepEqual(await read(part({ shape: [6, 2], columns }), 1, 2), floats(11, 12, 21, 22))
    assert.deepEqual(
      await read(part({ tensor: 'matrix-t', transposed: true, shape: [6, 2], columns }), 1, 2),
      floats(11, 12, 21, 22),
    )
  })

  test('may have a number added', async () => {
    assert.deepEqual(await read(tensor('vector', [6], { plus: 1 }), 0, 2), floats(1, 11))
  })

  test('run on from part to part', async () => {
    const source = stack(tensor('vector', [6]), zeros([2]), constant([7, 8, 9]))
    assert.deepEqual(await read(source, 0, 11), floats(0, 10, 20, 30, 40, 50, 0, 0, 7, 8, 9))
    assert.deepEqual(await read(source, 5, 4), floats(50, 0, 0, 7))
    assert.deepEqual(await read(source, 9, 2), floats(8, 9))
  })

  test('of constants and zeros have their columns', async () => {
    const source = stack(constant([1, 2, 3, 4], [2, 2]), zeros([1, 2]))
    assert.deepEqual(await read(source, 1, 2), floats(3, 4, 0, 0))
  })

  test('beyond the end are refused', async () => {
    await assert.rejects(read(tensor('vector', [6]), 4, 3), { code: 'weight-shape' })
    await assert.rejects(read(tensor('vector', [6]), -1, 2), { code: 'weight-shape' })
  })
})

test('reading in pieces gives what reading at once gives', async () => {
  const shape = fc.record({
    start: fc.nat(2),
    length: fc.integer({ min: 1, max: 4 }),
    gap: fc.nat(7),
    repeat: fc.integer({ min: 1, max: 4 }),
  })
  const check = fc.asyncProperty(
    shape,
    fc.boolean(),
    fc.boolean(),
    fc.array(fc.integer({ min: 1, max: 5 })),
    async (form, transposed, narrow, cuts) => {
      const { start, length, gap, repeat } = form
      const rows = { start, length, stride: length + gap, repeat }
      const height = start + repeat * (length + gap)
      const element = (r: number, c: number) => 100 * r + c
      const checkpoint = new MemoryCheckpoint()
      const values = Array.from({ length: height * 3 }, (_, i) =>
        transposed ? element(i % height, Math.floor(i / height)) : element(Math.floor(i / 3), i % 3),
      )
      checkpoint.add('t', transposed ? [3, height] : [height, 3], Float32Array.from(values))
      const columns = narrow ? { start: 1, length: 2 } : { start: 0, length: 3 }
      const count = length * repeat
      const source: WeightSource = {
        parts: [{ kind: 'tensor', tensor: 't', shape: [count, columns.length], transposed, rows, columns }],
      }
      const expected: number[] = []
      for (let k = 0; k < repeat; k++) {
        for (let i = 0; i < length; i++) {
          for (let c = 0; c < columns.length; c++)
            expected.push(element(start + k * (length + gap) + i, columns.start + c))
        }
      }
      const reader = checkpointReader(checkpoint)
      const pieces: number[] = []
      for (let first = 0, cut = 0; first < count; cut++) {
        const size = Math.min(cuts[cut] ?? count, count - first)
        pieces.push(...(await reader.readRows(source, first, size)))
        first += size
      }
      assert.deepEqual(pieces, expected)
    },
  )
  await fc.assert(check)
})

describe('reading little', () => {
  test('a transposed tensor is read once for neighbouring reads and let go afterwards', async () => {
    const checkpoint = new Counting()
    const reader = checkpointReader(checkpoint)
    const source = tensor('matrix-t', [6, 4], { transposed: true })
    for (let row = 0; row < 6; row++) await reader.readRows(source, row, 1)
    await reader.readRows(
      part({
        tensor: 'matrix-t',
        transposed: true,
        shape: [2, 4],
        rows: { start: 4, length: 2, stride: 2, repeat: 1 },
      }),
      0,
      2,
    )
    assert.deepEqual(checkpoint.reads, [{ name: 'matrix-t', elements: 24 }])
    await reader.readRows(tensor('matrix', [6, 4]), 0, 1)
    await reader.readRows(source, 0, 1)
    assert.equal(checkpoint.reads.filter(({ name }) => name === 'matrix-t').length, 2)
  })

  test('rows far apart are read one by one, rows close together in one piece', async () => {
    const tall = (stride: number) => {
      const checkpoint = new Counting()
      checkpoint.add('tall', [100, 2], new Float32Array(200))
      const rows = { start: 0, length: 1, stride, repeat: 9 }
      return { checkpoint, source: part({ tensor: 'tall', shape: [9, 2], rows }) }
    }
    const far = tall(11)
    await checkpointReader(far.checkpoint).readRows(far.source, 0, 9)
    assert.equal(
      far.checkpoint.reads.reduce((sum, { elements }) => sum + elements, 0),
      18,
    )
    const near = tall(2)
    await checkpointReader(near.checkpoint).readRows(near.source, 0, 9)
    assert.deepEqual(near.checkpoint.reads, [{ name: 'tall', elements: 34 }])
  })
})

describe('a source that the checkpoint cannot give is refused, also when no rows are read', () => {
  const refuse = (name: string, source: WeightSource, code: string, message: RegExp) =>
    test(name, async () => {
      for (const count of [0, 1]) await assert.rejects(read(source, 0, count), { code, message })
    })
  refuse(
    'a missing tensor, naming near ones',
    tensor('matrx', [6, 4]),
    'weight-missing',
    /no tensor matrx; near names that it has: matrix;/,
  )
  refuse(
    'a tensor under another prefix',
    tensor('model.vector', [6]),
    'weight-missing',
    /near names that it has: vector;/,
  )
  refuse('a tensor like no other', tensor('q', [6]), 'weight-missing', /no tensor q; it may be incomplete/)
  refuse(
    'another number of rows',
    tensor('matrix', [5, 4]),
    'weight-shape',
    /matrix has shape \[6,4\] .* asks for \[5,4\]/,
  )
  refuse('another number of columns', tensor('matrix', [6, 5]), 'weight-shape', /has shape \[6,4\] .* asks for \[6,5\]/)
  refuse(
    'a transposed tensor as it is',
    tensor('matrix-t', [6, 4]),
    'weight-shape',
    /has shape \[4,6\] .* asks for \[6,4\]/,
  )
  refuse(
    'a matrix as if transposed',
    tensor('matrix', [6, 4], { transposed: true }),
    'weight-shape',
    /has shape \[6,4\] .* asks for \[4,6\]/,
  )
  refuse('a vector for a matrix', tensor('vector', [6, 1]), 'weight-shape', /has shape \[6\] .* asks for \[6,1\]/)
  refuse('a matrix for a vector', tensor('matrix', [24]), 'weight-shape', /has shape \[6,4\] .* asks for \[24\]/)
  refuse('a scalar', tensor('scalar', [1]), 'weight-shape', /has shape \[\]/)
  const rows = { start: 2, length: 5, stride: 5, repeat: 1 }
  refuse('rows beyond the end', part({ shape: [5, 4], rows }), 'weight-shape', /asks for \[at least 7,4\]/)
  const columns = { start: 3, length: 2 }
  refuse('columns beyond the end', part({ shape: [6, 2], columns }), 'weight-shape', /asks for \[6,at least 5\]/)
  refuse('the second of two parts', stack(zeros([1]), tensor('gone', [3])), 'weight-missing', /gone/)
})
