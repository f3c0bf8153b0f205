import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import type { Linear, Operation, QkvToCache } from '../../../src/program/operation.js'
import { fuseGateUp, fuseQkv } from '../../../src/program/passes/fuse-projections.js'
import { getBuffer, type Program, rebuild } from '../../../src/program/program.js'
import { type ModelForm, randomModel } from '../../support/random-model.js'

const plain = (form: Partial<ModelForm>) => lower(randomModel({ layers: 2, ...form }).spec, REFERENCE_LOWERING)
const linears = ({ operations }: Program) => operations.filter((op): op is Linear => op.kind === 'linear')
const qkvs = ({ operations }: Program) => operations.filter((op): op is QkvToCache => op.kind === 'qkv-to-cache')
const replace = (program: Program, change: (op: Operation) => Operation | readonly Operation[]) =>
  rebuild(program, program.operations.flatMap(change))

describe('fuseQkv', () => {
  test('makes one product of three, their weights below each other', () => {
    const before = plain({ kvHeads: 2 })
    const after = fuseQkv(before)
    assert.equal(linears(before).length - linears(after).length, 2 * 2)
    const [qkv] = qkvs(after)
    const slice = (offset: number, width: number) => ({ buffer: 'layers.0.qkv', offset, width })
    assert.deepEqual([qkv!.q, qkv!.k, qkv!.v], [slice(0, 24), slice(24, 12), slice(36, 12)])
    const product = linears(after).find(({ out }) => out === 'layers.0.qkv')!
    const parts = (ref: string) => getBuffer(after, ref).source!.parts
    assert.deepEqual(getBuffer(after, product.weight).shape, [48, 24])
    assert.deepEqual(
      parts(product.weight),
      ['q', 'k', 'v'].flatMap((name) => getBuffer(before, `layers.0.${name}.weight`).source!.parts),
    )
    assert.deepEqual(
      parts(product.bias!),
      ['q', 'k', 'v'].flatMap((name) => getBuffer(before, `layers.0.${name}.bias`).source!.parts),
    )
    assert.ok(!after.buffers.has('layers.0.q') && !after.buffers.has('layers.0.k.weight'), 'leaves no unused buffer')
  })

  test('gives a product without bias zeros where another has one', () => {
    const before = replace(plain({}), (op) =>
      op.kind === 'linear' && op.out.endsWith('.k') ? { ...op, bias: undefined } : op,
    )
    const product = linears(fuseQkv(before)).find(({ out }) => out === 'layers.1.qkv')!
    const kinds = getBuffer(fuseQkv(before), product.bias!).source!.parts.map(({ kind }) => kind)
    assert.deepEqual(kinds, ['tensor', 'zeros', 'tensor'])
  })

  test('adds no bias where there was none', () => {
    const product = linears(fuseQkv(plain({ bias: false }))).find(({ out }) => out === 'layers.0.qkv')!
    assert.equal(product.bias, undefined)
  })

  test('leaves products alone that something else reads', () => {
    const program = plain({ layers: 1 })
    const q = getBuffer(program, 'layers.0.q')
    const also: Operation = { kind: 'add', x: q.name, y: q.name, out: 'twice' }
    const read = rebuild(program, [...program.operations, also], [{ ...q, name: 'twice' }])
    assert.equal(linears(fuseQkv(read)).length, linears(read).length)
  })

  test('leaves products of different inputs alone', () => {
    const before = replace(plain({ layers: 1 }), (op) =>
      op.kind === 'linear' && op.out === 'layers.0.v' ? { ...op, x: 'embedded' } : op,
    )
    assert.equal(linears(fuseQkv(before)).length, linears(before).length)
  })

  test('leaves products alone whose weights are stored differently', () => {
    const program = plain({ layers: 1 })
    const key = getBuffer(program, 'layers.0.k.weight')
    const buffers = new Map(program.buffers).set(key.name, { ...key, dtype: 'bf16' })
    assert.equal(linears(fuseQkv({ ...program, buffers })).length, linears(program).length)
  })
})

test('a product of which only some columns are queries is left alone', () => {
  const program = plain({ layers: 1 })
  const heads = { heads: 2, q: { buffer: 'layers.0.q', offset: 0, width: 12 }, kvHeads: 2 }
  const narrow = new Map(program.buffers)
  for (const name of ['layers.0.keys', 'layers.0.values']) {
    narrow.set(name, { ...getBuffer(program, name), shape: ['blocks', 16, 2, 6] })
  }
  for (const name of ['layers.0.queries', 'layers.0.attended']) {
    narrow.set(name, { ...getBuffer(program, name), shape: ['tokens', 12] })
  }
  const kv = { k: { buffer: 'layers.0.k', offset: 0, width: 12 }, v: { buffer: 'layers.0.v', offset: 0, width: 12 } }
  const operations = program.operations
    .slice(
      0,
      program.operations.findIndex(({ kind }) => kind === 'attention'),
    )
    .map((op) => (op.kind === 'qkv-to-cache' ? { ...op, ...heads, ...kv } : op))
  const cut = { ...program, buffers: narrow, operations, hidden: 'layers.0.queries', logits: 'layers.0.queries' }
  assert.equal(linears(fuseQkv(cut)).length, 3)
})

describe('fuseGateUp', () => {
  test('makes one gated product of a gate and what it multiplies, the gate first', () => {
    const before = plain({ gated: true, activation: 'silu' })
    const after = fuseGateUp(before)
    assert.equal(linears(before).length - linears(after).length, 2)
    const product = linears(after).find(({ out }) => out === 'layers.0.up')!
    assert.equal(product.gated, true)
    assert.equal(product.activation, 'silu')
    assert.equal(product.multiply, undefined)
    assert.deepEqual(getBuffer(after, product.weight).shape, [80, 24])
    assert.deepEqual(
      getBuffer(after, product.weight).source!.parts,
      ['gate', 'up'].flatMap((name) => getBuffer(before, `layers.0.${name}.weight`).source!.parts),
    )
    assert.ok(!after.buffers.has('layers.0.gate'))
  })

  test('changes nothing where there is no gate', () => {
    const before = plain({})
    assert.deepEqual(fuseGateUp(before).operations, before.operations)
  })

  test('leaves a gate alone that something else reads', () => {
    const before = replace(plain({ gated: true, layers: 1 }), (op) =>
      op.kind === 'linear' && op.out === 'layers.0.down' ? [{ ...op, x: 'layers.0.gate', out: 'layers.0.down' }] : op,
    )
    assert.equal(linears(fuseGateUp(before)).length, linears(before).length)
  })

  test('leaves products alone whose weights are stored differently', () => {
    const program = plain({ gated: true, layers: 1 })
    const gate = getBuffer(program, 'layers.0.gate.weight')
    const buffers = new Map(program.buffers).set(gate.name, { ...gate, dtype: 'bf16' })
    assert.equal(linears(fuseGateUp({ ...program, buffers })).length, linears(program).length)
  })

  test('leaves a gate of another input alone', () => {
    const before = replace(plain({ gated: true, layers: 1 }), (op) =>
      op.kind === 'linear' && op.out === 'layers.0.gate' ? { ...op, x: 'embedded' } : op,
    )
    assert.equal(linears(fuseGateUp(before)).length, linears(before).length)
  })
})
