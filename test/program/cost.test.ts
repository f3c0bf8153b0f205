import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import type { DataType, Dimension, Ref } from '../../src/program/buffer.js'
import { cacheBytesPerToken, costOf, decodeShape, promptShape, totalCost, weightBytes } from '../../src/program/cost.js'
import type { Operation } from '../../src/program/operation.js'
import { ProgramBuilder } from '../../src/program/program.js'
import { zeros } from '../../src/program/weight-source.js'
import { randomModel } from '../support/random-model.js'

const PROMPT = promptShape(100)
const DECODE = decodeShape(8, 1000)

/** x [T, 16] bf16, h [T, 16] bf16, picked [R, 16] bf16; caches of 2 heads of 8, f16. */
function costs(op: Operation) {
  const b = new ProgramBuilder('cost')
  const add = (kind: 'input' | 'activation' | 'cache' | 'weight', dtype: DataType, name: Ref, ...shape: Dimension[]) =>
    b.buffer({ name, kind, dtype, shape, ...(kind === 'weight' && { source: zeros(shape as number[]) }) })
  for (const name of ['ids', 'positions', 'slots']) add('input', 'i32', name, 'tokens')
  for (const name of ['starts', 'contexts']) add('input', 'i32', name, 'sequences')
  add('input', 'i32', 'tables', 'sequences', 'width')
  add('input', 'i32', 'rows', 'rows')
  add('input', 'f32', 'soft', 'tokens', 16)
  add('weight', 'bf16', 'table', 50, 16)
  add('weight', 'f32', 'places', 200, 16)
  add('weight', 'bf16', 'weight', 40, 16)
  add('weight', 'f32', 'bias', 40)
  add('weight', 'f32', 'scale', 16)
  add('weight', 'f32', 'router', 4, 16)
  add('weight', 'bf16', 'up', 4, 20, 16)
  add('weight', 'bf16', 'down', 4, 16, 10)
  add('cache', 'f16', 'keys', 'blocks', 16, 2, 8)
  add('cache', 'f16', 'values', 'blocks', 16, 2, 8)
  for (const name of ['x', 'y', 'h', 's']) add('activation', 'bf16', name, 'tokens', 16)
  add('activation', 'bf16', 'wide', 'tokens', 40)
  add('activation', 'bf16', 'narrow', 'tokens', 20)
  add('activation', 'bf16', 'picked', 'rows', 16)
  add('activation', 'f32', 'logits', 'rows', 40)
  for (const out of ['x', 'y']) b.add({ kind: 'embed', ids: 'ids', table: 'table', out })
  if (op.kind === 'logits') b.add({ kind: 'gather-rows', x: 'x', rows: 'rows', out: 'picked' })
  b.add(op)
  const program = b.finish({ hidden: 'x', logits: 'y' })
  return { prompt: costOf(program, op, PROMPT), decode: costOf(program, op, DECODE) }
}

test('a product reads its weight once, whatever the batch', () => {
  const { prompt, decode } = costs({ kind: 'linear', x: 'x', weight: 'weight', bias: 'bias', out: 'wide' })
  assert.deepEqual(prompt, {
    bytesRead: 100 * 16 * 2 + 40 * 16 * 2 + 40 * 4,
    bytesWritten: 100 * 40 * 2,
    flops: 2 * 100 * 40 * 16,
  })
  assert.equal(decode.bytesRead, 8 * 16 * 2 + 40 * 16 * 2 + 40 * 4)
  assert.equal(decode.flops, 2 * 8 * 40 * 16)
})

test('a gated product writes half of what it computes', () => {
  const { prompt } = costs({ kind: 'linear', x: 'x', weight: 'weight', activation: 'silu', gated: true, out: 'narrow' })
  assert.equal(prompt.flops, 2 * 100 * 40 * 16)
  assert.equal(prompt.bytesWritten, 100 * 20 * 2)
})

test('embedding reads one row of each table a token, not the tables', () => {
  const plain = costs({ kind: 'embed', ids: 'ids', table: 'table', rows: 'soft', out: 'h' }).prompt
  assert.deepEqual(plain, { bytesRead: 100 * 4 + 100 * 16 * 2, bytesWritten: 100 * 16 * 2, flops: 0 })
  const learned = { positions: 'positions', positionTable: 'places', scale: 3 }
  const placed = costs({ kind: 'embed', ids: 'ids', table: 'table', ...learned, out: 'h' }).decode
  assert.equal(placed.bytesRead, 2 * 8 * 4 + 8 * 16 * 2 + 8 * 16 * 4)
  assert.equal(placed.flops, 2 * 8 * 16)
})

const attention: Operation = {
  kind: 'attention',
  ...{ q: 'x', keyCache: 'keys', valueCache: 'values', heads: 2, kvHeads: 2, headDim: 8, scale: 1, out: 'h' },
  ...{ queryStarts: 'starts', contextLengths: 'contexts', blockTables: 'tables' },
}

test('attention computes what a causal mask leaves, and reads each visible key once', () => {
  const { prompt, decode } = costs(attention)
  assert.equal(prompt.flops, 4 * ((100 * 101) / 2) * 16)
  assert.equal(prompt.bytesRead, 100 * 16 * 2 + 100 * 2 * 16 * 2)
  assert.equal(prompt.bytesWritten, 100 * 16 * 2)
  assert.equal(decode.flops, 4 * 8 * 1000 * 16)
  assert.equal(decode.bytesRead, 8 * 16 * 2 + 8 * 1000 * 2 * 16 * 2)
})

test('a window bounds what attention reads and computes', () => {
  const { prompt, decode } = costs({ ...attention, window: 10 })
  assert.equal(prompt.flops, 4 * ((10 * 11) / 2 + 90 * 10) * 16)
  assert.equal(prompt.bytesRead, 100 * 16 * 2 + 100 * 2 * 16 * 2)
  assert.equal(decode.flops, 4 * 8 * 10 * 16)
  assert.equal(decode.bytesRead, 8 * 16 * 2 + 8 * 10 * 2 * 16 * 2)
})

test('writing keys and values costs their bytes in the cache, not the cache', () => {
  const slice = (buffer: Ref) => ({ buffer, offset: 0, width: 16 })
  const { decode } = costs({
    kind: 'qkv-to-cache',
    ...{ q: slice('x'), k: slice('y'), v: slice('x'), heads: 2, kvHeads: 2, headDim: 8 },
    ...{ positions: 'positions', slots: 'slots', keyCache: 'keys', valueCache: 'values', out: 'h' },
  })
  assert.equal(decode.bytesRead, 8 * 48 * 2 + 2 * 8 * 4)
  assert.equal(decode.bytesWritten, 8 * 16 * 2 + 8 * 2 * 16 * 2)
})

test('a mixture reads no more experts than its tokens can choose', () => {
  const form = { router: 'router', up: 'up', down: 'down', experts: 4, topK: 2, renormalise: true } as const
  const op: Operation = { kind: 'moe', x: 'x', ...form, gated: true, activation: 'silu', out: 'h' }
  const all = 4 * 20 * 16 * 2 + 4 * 16 * 10 * 2
  const { prompt } = costs(op)
  assert.equal(prompt.bytesRead, 100 * 16 * 2 + 4 * 16 * 4 + all)
  assert.equal(prompt.flops, 2 * 100 * (4 * 16 + 2 * (20 * 16 + 10 * 16)))
})

test('picking rows reads those rows', () => {
  const { prompt, decode } = costs({ kind: 'gather-rows', x: 'x', rows: 'rows', out: 'picked' })
  assert.deepEqual(prompt, { bytesRead: 16 * 2 + 4, bytesWritten: 16 * 2, flops: 0 })
  assert.equal(decode.bytesRead, 8 * 16 * 2 + 8 * 4)
})

test('logits cost their rows, not their tokens', () => {
  const { prompt } = costs({ kind: 'logits', x: 'picked', weight: 'weight', out: 'logits' })
  assert.deepEqual(prompt, { bytesRead: 16 * 2 + 40 * 16 * 2, bytesWritten: 40 * 4, flops: 2 * 40 * 16 })
})

test('a norm reads every operand and writes its sum too', () => {
  const { prompt } = costs({
    kind: 'norm',
    norm: 'rms',
    epsilon: 1e-5,
    x: 'x',
    adds: ['y'],
    weight: 'scale',
    sum: 's',
    out: 'h',
  })
  assert.equal(prompt.bytesRead, 2 * 100 * 16 * 2 + 16 * 4)
  assert.equal(prompt.bytesWritten, 2 * 100 * 16 * 2)
})

test('the whole program costs the sum of its operations; tied weights are stored once', () => {
  const { spec } = randomModel({ layers: 3, tied: true })
  const program = lower(spec, { ...REFERENCE_LOWERING, weightType: 'bf16', cacheType: 'f16' })
  const parts = program.operations.map((op) => costOf(program, op, DECODE))
  assert.equal(
    totalCost(program, DECODE).flops,
    parts.reduce((sum, cost) => sum + cost.flops, 0),
  )
  const untied = lower(randomModel({ layers: 3, tied: false }).spec, { ...REFERENCE_LOWERING, weightType: 'bf16' })
  assert.equal(weightBytes(untied) - weightBytes(program), 61 * 24 * 2)
  assert.equal(cacheBytesPerToken(program), 3 * 2 * 4 * 6 * 2)
})
