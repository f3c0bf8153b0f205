import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import type { Ref } from '../../../src/program/buffer.js'
import type { Norm, Operation } from '../../../src/program/operation.js'
import { fuseResidualNorm } from '../../../src/program/passes/fuse-residual-norm.js'
import { type Program, ProgramBuilder } from '../../../src/program/program.js'
import { zeros } from '../../../src/program/weight-source.js'
import { type ModelForm, randomModel } from '../../support/random-model.js'

const fused = (form: Partial<ModelForm>) => fuseResidualNorm(lower(randomModel(form).spec, REFERENCE_LOWERING))
const count = ({ operations }: Program, kind: Operation['kind']) => operations.filter((op) => op.kind === kind).length
const normTo = ({ operations }: Program, out: Ref) =>
  operations.find((op): op is Norm => op.kind === 'norm' && op.out === out)!

/** [T, 4] activations a, b, c from embeddings, then these operations; `hidden` is the last one's result unless named. */
function program(operations: readonly Operation[], hidden?: Ref): Program {
  const b = new ProgramBuilder('test')
  b.buffer({ name: 'ids', kind: 'input', dtype: 'i32', shape: ['tokens'] })
  b.buffer({ name: 'table', kind: 'weight', dtype: 'f32', shape: [9, 4], source: zeros([9, 4]) })
  const starts = ['a', 'b', 'c'].map((out): Operation => ({ kind: 'embed', ids: 'ids', table: 'table', out }))
  for (const op of [...starts, ...operations]) {
    for (const name of ['out' in op ? op.out : '', op.kind === 'norm' ? (op.sum ?? '') : '']) {
      if (name) b.buffer({ name, kind: 'activation', dtype: 'f32', shape: ['tokens', 4] })
    }
    b.add(op)
  }
  const last = operations.at(-1)!
  const end = hidden ?? ('out' in last ? last.out : 'a')
  return b.finish({ hidden: end, logits: end })
}

const add = (x: Ref, y: Ref, out: Ref): Operation => ({ kind: 'add', x, y, out })
const norm = (x: Ref, out: Ref, more: Partial<Norm> = {}): Operation => ({
  kind: 'norm',
  ...{ norm: 'rms', epsilon: 1e-5, x, adds: [], out },
  ...more,
})

describe('in models', () => {
  test('a serial residual leaves no addition; sums that the next residual needs are kept, the last is not', () => {
    const after = fused({ layers: 2 })
    assert.equal(count(after, 'add'), 0)
    assert.equal(count(after, 'norm'), 5)
    assert.equal(normTo(after, 'layers.0.norm2').sum, 'layers.0.sum1')
    assert.deepEqual(normTo(after, 'layers.1.norm1').adds, ['layers.0.down'])
    assert.equal(normTo(after, 'final').sum, undefined)
  })

  test('a parallel residual adds both branches in the norm that follows, in their order', () => {
    const after = fused({ layers: 2, residual: 'parallel' })
    assert.equal(count(after, 'add'), 0)
    assert.deepEqual(normTo(after, 'layers.1.norm1').adds, ['layers.0.o', 'layers.0.down'])
    assert.equal(normTo(after, 'layers.1.norm1').x, 'embedded')
    assert.equal(normTo(after, 'layers.1.norm1').sum, 'layers.0.sum2')
  })

  test('of two norms of one sum the first makes it and the second reads it', () => {
    const after = fused({ layers: 2, residual: 'parallel', secondNorm: true })
    assert.equal(count(after, 'add'), 0)
    assert.equal(normTo(after, 'layers.1.norm1').sum, 'layers.0.sum2')
    assert.equal(normTo(after, 'layers.1.norm2').x, 'layers.0.sum2')
    assert.deepEqual(normTo(after, 'layers.1.norm2').adds, [])
  })

  test('a post-norm residual keeps no sum at all', () => {
    const after = fused({ layers: 2, residual: 'post-norm', finalNorm: false })
    assert.equal(count(after, 'add'), 0)
    assert.ok(after.operations.every((op) => op.kind !== 'norm' || op.sum === undefined))
  })
})

describe('alone', () => {
  test('the fused norm stands where the addition stood, before others that read the sum', () => {
    const after = fuseResidualNorm(
      program([add('a', 'b', 's'), add('s', 'c', 't'), norm('s', 'n'), add('t', 'n', 'u')]),
    )
    assert.deepEqual(
      after.operations.slice(3).map((op) => op.kind),
      ['norm', 'add', 'add'],
    )
    assert.equal(normTo(after, 'n').sum, 's')
  })

  test('a sum that is the hidden state is kept', () => {
    const after = fuseResidualNorm(program([add('a', 'b', 's'), norm('s', 'n')], 's'))
    assert.equal(count(after, 'add'), 0)
    assert.equal(normTo(after, 'n').sum, 's')
  })

  test('an addition is left alone where the norm adds what is made after it', () => {
    const late = program([add('a', 'b', 's'), add('b', 'c', 'late'), norm('s', 'n', { adds: ['late'] })])
    assert.equal(count(fuseResidualNorm(late), 'add'), 2)
  })

  test('an addition is left alone where the norm adds its result again', () => {
    const twice = program([add('a', 'b', 's'), norm('s', 'n', { adds: ['s'] })])
    assert.equal(count(fuseResidualNorm(twice), 'add'), 1)
  })

  test('an addition is left alone where its result and the norm’s own sum are both read', () => {
    const both = program([
      add('a', 'b', 's'),
      norm('s', 'n', { adds: ['c'], sum: 't' }),
      add('s', 't', 'u'),
      add('u', 'n', 'v'),
    ])
    assert.equal(count(fuseResidualNorm(both), 'add'), 3)
  })

  test('an addition that no norm reads stays', () => {
    assert.equal(count(fuseResidualNorm(program([add('a', 'b', 's'), add('s', 'c', 't')])), 'add'), 2)
  })
})
