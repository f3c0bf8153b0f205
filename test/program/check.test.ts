import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Buffer, DataType, Dimension, Ref } from '../../src/program/buffer.js'
import type { Operation, OperationKind } from '../../src/program/operation.js'
import { ProgramBuilder } from '../../src/program/program.js'
import { zeros } from '../../src/program/weight-source.js'

const HIDDEN = 8

/** A buffer of every kind that the operations below need; [T, 8] activations `x`, `y`, `z` are written. */
function world(): ProgramBuilder {
  const b = new ProgramBuilder('test')
  const declare = (kind: Buffer['kind'], dtype: DataType, name: Ref, ...shape: Dimension[]) =>
    b.buffer({ name, kind, dtype, shape, ...(kind === 'weight' && { source: zeros(shape as number[]) }) })
  for (const name of ['ids', 'positions', 'slots', 'lengths']) declare('input', 'i32', name, 'tokens')
  for (const name of ['starts', 'contexts']) declare('input', 'i32', name, 'sequences')
  declare('input', 'i32', 'tables', 'sequences', 'width')
  declare('input', 'i32', 'rows', 'rows')
  declare('input', 'i32', 'copies', 'copies', 2)
  declare('input', 'record', 'sampling', 'rows')
  declare('input', 'f32', 'soft', 'tokens', HIDDEN)
  declare('input', 'f32', 'floats', 'tokens')
  declare('weight', 'f32', 'table', 20, HIDDEN)
  declare('weight', 'f32', 'narrow', 20, HIDDEN - 1)
  declare('weight', 'f32', 'vector', HIDDEN)
  declare('weight', 'f32', 'short', HIDDEN - 1)
  declare('weight', 'f32', 'four', 4)
  declare('weight', 'f32', 'two', 2)
  declare('weight', 'f32', 'square', HIDDEN, HIDDEN)
  declare('weight', 'f32', 'wide', 2 * HIDDEN, HIDDEN)
  declare('weight', 'f32', 'experts-up', 3, 5, HIDDEN)
  declare('weight', 'f32', 'experts-down', 3, HIDDEN, 5)
  declare('weight', 'f32', 'router', 3, HIDDEN)
  declare('weight', 'f32', 'vector20', 20)
  declare('cache', 'f32', 'keys', 'blocks', 16, 2, 4)
  declare('cache', 'f32', 'values', 'blocks', 16, 2, 4)
  declare('cache', 'f32', 'other-cache', 'blocks', 16, 1, 4)
  for (const name of ['x', 'y', 'z', 'unwritten', 'out', 'sum']) declare('activation', 'f32', name, 'tokens', HIDDEN)
  declare('activation', 'bf16', 'half', 'tokens', HIDDEN)
  declare('activation', 'f32', 'out7', 'tokens', HIDDEN - 1)
  declare('activation', 'f32', 'out16', 'tokens', 2 * HIDDEN)
  declare('activation', 'f32', 'picked', 'rows', HIDDEN)
  declare('activation', 'f32', 'out-rows', 'rows', HIDDEN)
  declare('activation', 'f32', 'logits', 'rows', 20)
  declare('activation', 'f32', 'written-logits', 'rows', 20)
  declare('activation', 'bf16', 'half-logits', 'rows', 20)
  declare('activation', 'bf16', 'written-half-logits', 'rows', 20)
  declare('output', 'record', 'sampled', 'rows')
  for (const out of ['x', 'y', 'z', 'half']) b.add({ kind: 'embed', ids: 'ids', table: 'table', out })
  b.add({ kind: 'gather-rows', x: 'x', rows: 'rows', out: 'picked' })
  b.add({ kind: 'logits', x: 'picked', weight: 'table', out: 'written-logits' })
  return b
}

const heads = { heads: 2, kvHeads: 2, headDim: 4, keyCache: 'keys', valueCache: 'values' }
const part = (buffer: Ref, offset = 0, width = HIDDEN) => ({ buffer, offset, width })
const headNorm = { norm: 'rms', epsilon: 1e-6, weight: 'four' } as const
const rotary = { dim: 4, pairs: 'half', frequencies: 'two', scale: 1 } as const
const dynamic = { theta: 1e4, factor: 2, original: 64, lengths: 'lengths' }

/** One right operation of each kind, all optional operands set. */
const VALID: { [K in OperationKind]: Extract<Operation, { kind: K }> } = {
  embed: {
    kind: 'embed',
    ...{
      ids: 'ids',
      table: 'table',
      rows: 'soft',
      scale: 2,
      positions: 'positions',
      positionTable: 'table',
      out: 'out',
    },
  },
  norm: {
    kind: 'norm',
    ...{ norm: 'layer', epsilon: 1e-5, x: 'x', adds: ['y'], weight: 'vector', bias: 'vector', sum: 'sum', out: 'out' },
  },
  linear: {
    kind: 'linear',
    ...{ x: 'x', weight: 'square', bias: 'vector', activation: 'silu', multiply: 'y', residual: 'z', out: 'out' },
  },
  add: { kind: 'add', x: 'x', y: 'y', out: 'out' },
  'qkv-to-cache': {
    kind: 'qkv-to-cache',
    ...{ q: part('x'), k: part('y'), v: part('z'), ...heads, queryNorm: headNorm, keyNorm: headNorm },
    ...{ rotary: { ...rotary, dynamic }, positions: 'positions', slots: 'slots', out: 'out' },
  },
  attention: {
    kind: 'attention',
    ...{ q: 'x', ...heads, scale: 0.5, window: 9, softCap: 30, alibi: 'two' },
    ...{ queryStarts: 'starts', contextLengths: 'contexts', blockTables: 'tables', out: 'out' },
  },
  moe: {
    kind: 'moe',
    ...{ x: 'x', router: 'router', up: 'experts-up', down: 'experts-down', experts: 3, topK: 2, renormalise: true },
    ...{ gated: false, activation: 'silu', out: 'out' },
  },
  'all-reduce': { kind: 'all-reduce', x: 'x', out: 'out' },
  'all-gather': { kind: 'all-gather', x: 'x', out: 'out16' },
  send: { kind: 'send', x: 'x', to: 1 },
  receive: { kind: 'receive', from: 0, out: 'out' },
  'gather-rows': { kind: 'gather-rows', x: 'x', rows: 'rows', out: 'out-rows' },
  'copy-blocks': { kind: 'copy-blocks', caches: ['keys', 'values'], pairs: 'copies' },
  logits: { kind: 'logits', x: 'picked', weight: 'table', bias: 'vector20', scale: 2, softCap: 30, out: 'logits' },
  sample: { kind: 'sample', logits: 'written-logits', sampling: 'sampling', out: 'sampled' },
}

/** A right operation, what is changed to make it wrong, and what the error must say. */
const WRONG: {
  readonly [K in OperationKind]?: readonly (readonly [Partial<Extract<Operation, { kind: K }>>, RegExp])[]
} = {
  embed: [
    [{ table: 'nowhere' }, /no buffer is named nowhere/],
    [{ ids: 'floats' }, /floats is f32, expected i32/],
    [{ ids: 'rows' }, /rows is \[rows\], expected \[tokens\]/],
    [{ rows: 'out7' }, /reads out7 before it is written/],
    [{ table: 'narrow' }, /soft is \[tokens,8\], expected \[tokens,7\]/],
    [{ positionTable: 'narrow' }, /narrow is \[20,7\], expected \[any,8\]/],
    [{ positionTable: undefined }, /positions and their table come together/],
    [{ positions: undefined }, /positions and their table come together/],
    [{ positions: 'floats' }, /floats is f32, expected i32/],
    [{ out: 'out7' }, /out7 is \[tokens,7\], expected \[tokens,8\]/],
    [{ out: 'x' }, /writes x a second time/],
    [{ out: 'table' }, /writes table, a weight/],
    [{ out: 'soft' }, /writes soft, a input/],
  ],
  norm: [
    [{ x: 'unwritten' }, /reads unwritten before it is written/],
    [{ epsilon: 0 }, /epsilon is 0/],
    [{ epsilon: Number.NaN }, /epsilon is NaN/],
    [{ adds: ['picked'] }, /picked is \[rows,8\], expected \[tokens,8\]/],
    [{ adds: ['half'] }, /half and x differ in type/],
    [{ weight: 'short' }, /short is \[7\], expected \[8\]/],
    [{ bias: 'short' }, /short is \[7\], expected \[8\]/],
    [{ adds: [] }, /a sum without anything added/],
    [{ out: 'out7' }, /out7 is \[tokens,7\]/],
    [{ sum: 'out7' }, /out7 is \[tokens,7\]/],
  ],
  linear: [
    [{ weight: 'narrow' }, /narrow is \[20,7\], expected \[any,8\]/],
    [{ weight: 'y' }, /y is of kind activation, expected weight/],
    [{ bias: 'short' }, /short is \[7\], expected \[8\]/],
    [{ gated: true, activation: undefined }, /gated without an activation/],
    [{ gated: true }, /gated products take no further operand/],
    [{ out: 'out7' }, /out7 is \[tokens,7\], expected \[tokens,8\]/],
    [{ out: 'out-rows' }, /out-rows is \[rows,8\], expected \[tokens,8\]/],
    [{ multiply: 'picked' }, /picked is \[rows,8\]/],
    [{ residual: 'half' }, /half and out differ in type/],
    [
      { weight: 'wide', bias: undefined, gated: true, multiply: undefined, residual: undefined, out: 'out16' },
      /out16 is \[tokens,16\], expected \[tokens,8\]/,
    ],
  ],
  add: [
    [{ y: 'picked' }, /picked is \[rows,8\]/],
    [{ y: 'half' }, /half and x differ in type/],
    [{ out: 'out7' }, /out7 is \[tokens,7\]/],
  ],
  'qkv-to-cache': [
    [{ q: part('x', 0, 4) }, /a slice of x is 4 wide, expected 8/],
    [{ k: part('y', 1) }, /columns 1\.\.9 lie outside y/],
    [{ v: part('z', -1) }, /columns -1\.\.7 lie outside z/],
    [{ v: part('picked') }, /picked is \[rows,8\]/],
    [{ kvHeads: 3 }, /2 query heads do not share 3 key heads evenly/],
    [{ keyCache: 'y' }, /writes y a second time/],
    [{ valueCache: 'other-cache' }, /other-cache is \[blocks,16,1,4\], expected \[blocks,any,2,4\]/],
    [{ queryNorm: { ...headNorm, weight: 'two' } }, /two is \[2\], expected \[4\]/],
    [{ keyNorm: { ...headNorm, epsilon: -1 } }, /epsilon is -1/],
    [{ rotary: { ...rotary, dim: 3 } }, /rotates 3 of 4 elements/],
    [{ rotary: { ...rotary, dim: 6 } }, /rotates 6 of 4 elements/],
    [{ rotary: { ...rotary, frequencies: 'four' } }, /four is \[4\], expected \[2\]/],
    [{ rotary: { ...rotary, scale: 0 } }, /rotary scale is 0/],
    [{ rotary: { ...rotary, dynamic: { ...dynamic, lengths: 'floats' } } }, /floats is f32, expected i32/],
    [{ positions: 'rows' }, /rows is \[rows\], expected \[tokens\]/],
    [{ slots: 'floats' }, /floats is f32, expected i32/],
    [{ out: 'out7' }, /out7 is \[tokens,7\]/],
  ],
  attention: [
    [{ q: 'picked' }, /picked is \[rows,8\]/],
    [{ out: 'out7' }, /out7 is \[tokens,7\]/],
    [{ headDim: 2 }, /expected \[blocks,any,2,2\]/],
    [{ keyCache: 'y' }, /y is of kind activation, expected cache/],
    [{ scale: 0 }, /scale is 0/],
    [{ window: 0 }, /window is 0/],
    [{ softCap: -3 }, /soft cap is -3/],
    [{ alibi: 'four' }, /four is \[4\], expected \[2\]/],
    [{ queryStarts: 'ids' }, /ids is \[tokens\], expected \[sequences\]/],
    [{ contextLengths: 'tables' }, /tables is \[sequences,width\], expected \[sequences\]/],
    [{ blockTables: 'contexts' }, /contexts is \[sequences\], expected \[sequences,width\]/],
  ],
  moe: [
    [{ topK: 4 }, /takes 4 of 3 experts/],
    [{ topK: 0 }, /takes 0 of 3 experts/],
    [{ router: 'square' }, /square is \[8,8\], expected \[3,8\]/],
    [{ up: 'experts-down' }, /experts-down is \[3,8,5\], expected \[3,any,8\]/],
    [{ down: 'experts-up' }, /experts-up is \[3,5,8\], expected \[3,8,5\]/],
    [{ upBias: 'vector' }, /vector is \[8\], expected \[3,5\]/],
    [{ downBias: 'router', out: 'out7' }, /out7 is \[tokens,7\]/],
  ],
  'all-reduce': [[{ out: 'out7' }, /out7 is \[tokens,7\]/]],
  'all-gather': [[{ out: 'out7' }, /columns do not fill the result/]],
  'gather-rows': [
    [{ rows: 'ids' }, /ids is \[tokens\], expected \[rows\]/],
    [{ x: 'picked' }, /picked is \[rows,8\], expected \[tokens,8\]/],
    [{ out: 'out' }, /out is \[tokens,8\], expected \[rows,8\]/],
  ],
  'copy-blocks': [
    [{ caches: ['keys', 'x'] }, /writes x a second time/],
    [{ pairs: 'rows' }, /rows is \[rows\], expected \[copies,2\]/],
  ],
  logits: [
    [{ weight: 'narrow' }, /narrow is \[20,7\], expected \[any,8\]/],
    [{ bias: 'vector' }, /vector is \[8\], expected \[20\]/],
    [{ out: 'half-logits' }, /half-logits is bf16, expected f32/],
    [{ softCap: 0 }, /soft cap is 0/],
    [{ weight: 'square', bias: undefined }, /logits is \[rows,20\], expected \[rows,8\]/],
  ],
  sample: [
    [{ sampling: 'ids' }, /ids is \[tokens\], expected \[rows\]/],
    [{ logits: 'half-logits' }, /reads half-logits before it is written/],
    [{ out: 'logits' }, /logits is \[rows,20\], expected \[rows\]/],
  ],
}

describe('an operation that is right is accepted', () => {
  for (const op of Object.values(VALID)) test(op.kind, () => world().add(op))
})

describe('an operation that cannot be right is refused with the reason', () => {
  for (const [kind, mistakes] of Object.entries(WRONG)) {
    for (const [change, message] of mistakes) {
      test(`${kind}: ${message.source}`, () => {
        const op = { ...VALID[kind as OperationKind], ...change } as Operation
        assert.throws(() => world().add(op), { code: 'program-invalid', message })
      })
    }
  }
})

describe('a buffer that cannot be right is refused', () => {
  const refuse = (name: string, buffer: Partial<Buffer>, message: RegExp) =>
    test(name, () => {
      const whole: Buffer = { name: 'new', kind: 'activation', dtype: 'f32', shape: ['tokens', 3], ...buffer }
      assert.throws(() => world().buffer(whole), { code: 'program-invalid', message })
    })
  refuse('a name twice', { name: 'x' }, /the name is taken/)
  refuse('a size of zero', { shape: ['tokens', 0] }, /a dimension is 0/)
  refuse('a size that is no whole number', { shape: [2.5] }, /a dimension is 2.5/)
  refuse('a weight from nowhere', { kind: 'weight', shape: [3] }, /only weights, have a source/)
  refuse('an activation from a checkpoint', { source: zeros([3]) }, /only weights, have a source/)
  const weight = { kind: 'weight', shape: [4, 3] } as const
  refuse('another shape than its source', { ...weight, source: zeros([4, 4]) }, /its source has shape \[4,4\]/)
  refuse('rows and columns swapped', { ...weight, source: zeros([3, 4]) }, /its source has shape \[3,4\]/)
  const parts = [...zeros([2, 3]).parts, ...zeros([2, 4]).parts]
  refuse('parts of differing width', { ...weight, source: { parts } }, /its parts differ in columns/)
})

test('a stack of matrices may be read as one tall matrix', () => {
  const source = zeros([6, 5])
  world().buffer({ name: 'stack', kind: 'weight', dtype: 'f32', shape: [2, 3, 5], source })
})

test('a program whose result nothing writes is refused', () => {
  const b = world()
  assert.throws(() => b.finish({ hidden: 'unwritten', logits: 'written-logits' }), /nothing writes unwritten/)
  assert.equal(b.finish({ hidden: 'x', logits: 'written-logits' }).operations.length, 6)
})
