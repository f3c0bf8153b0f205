import type { Activation } from '../../../src/program/operation.js'
import * as naive from '../naive.js'
import { CaseBuilder } from './builder.js'
import type { OperationCase } from './case.js'

const BOUND = 2e-6

/** Tokens, inputs, outputs: ones, odd numbers, and sizes just beside powers of two. */
const PRODUCT_SHAPES = [
  [1, 1, 1],
  [1, 3, 17],
  [1, 255, 64],
  [3, 17, 255],
  [17, 255, 3],
  [33, 64, 128],
] as const

const ACTIVATIONS: readonly Activation[] = ['relu', 'relu2', 'gelu', 'gelu-tanh', 'gelu-quick', 'silu', 'tanh']

export const linearCases: OperationCase[] = [
  ...PRODUCT_SHAPES.flatMap((shape) => [linearCase(shape, {}), linearCase(shape, { bias: true })]),
  ...ACTIVATIONS.flatMap((activation) => [
    linearCase([5, 17, 31], { bias: true, activation }),
    linearCase([5, 17, 34], { bias: true, activation, gated: true }),
  ]),
  linearCase([1, 64, 510], { activation: 'silu', gated: true }),
  linearCase([33, 3, 6], { activation: 'gelu', gated: true }),
  linearCase([7, 17, 31], { multiply: true }),
  linearCase([7, 17, 31], { residual: true }),
  linearCase([3, 255, 17], { bias: true, activation: 'gelu-tanh', multiply: true, residual: true }),
  linearCase([3, 17, 31], { bias: true, rows: true }),
]

interface LinearForm {
  readonly bias?: boolean
  readonly activation?: Activation
  readonly gated?: boolean
  readonly multiply?: boolean
  readonly residual?: boolean
  /** x is [rows, inputs] in place of [tokens, inputs]. */
  readonly rows?: boolean
}

function linearCase([tokens, inputs, outputs]: readonly [number, number, number], form: LinearForm): OperationCase {
  const words = Object.entries(form).map(([key, value]) => (value === true ? key : value))
  return {
    operation: 'linear',
    name: `linear ${[`${tokens}x${inputs}->${outputs}`, ...words].join(' ')}`,
    bound: BOUND,
    build(storage) {
      const b = new CaseBuilder(storage, [tokens], outputs)
      const x = form.rows ? b.rowOperand('x', inputs) : b.operand('x', inputs)
      const weight = b.weight('weight', [outputs, inputs])
      const bias = form.bias && b.vector('bias', [outputs])
      const width = form.gated ? outputs / 2 : outputs
      const multiply = form.multiply && b.operand('multiply', width)
      const residual = form.residual && b.operand('residual', width)
      b.add({
        kind: 'linear',
        x: 'x',
        weight: 'weight',
        ...(form.activation && { activation: form.activation }),
        ...(form.gated && { gated: true }),
        ...(bias && { bias: 'bias' }),
        ...(multiply && { multiply: 'multiply' }),
        ...(residual && { residual: 'residual' }),
        out: b.activation('out', form.rows ? 'rows' : 'tokens', width),
      })
      const { activation } = form
      let t = naive.linear(naive.matrix(x, inputs), naive.matrix(weight, inputs), bias || undefined)
      if (form.gated) t = naive.gate(t, activation!)
      else if (activation) t = t.map((row) => row.map((value) => naive.activate(activation, value)))
      if (multiply) t = naive.elementwise(t, naive.matrix(multiply, width), (a, m) => a * m)
      if (residual) t = naive.elementwise(t, naive.matrix(residual, width), (a, r) => a + r)
      return form.rows ? b.finishRows('out', t.flat()) : b.finish('out', t.flat())
    },
  }
}

export const logitsCases: OperationCase[] = [
  logitsCase([1, 3, 17], {}),
  logitsCase([3, 64, 255], { bias: true }),
  logitsCase([17, 31, 1031], { scale: 0.0625 }),
  logitsCase([5, 17, 61], { bias: true, scale: 0.75, softCap: 1.5 }),
]

function logitsCase(
  [tokens, inputs, vocabulary]: readonly [number, number, number],
  form: { bias?: boolean; scale?: number; softCap?: number },
): OperationCase {
  const { scale, softCap } = form
  return {
    operation: 'logits',
    name: `logits ${tokens}x${inputs}->${vocabulary} ${JSON.stringify(form)}`,
    bound: BOUND,
    build(storage) {
      const b = new CaseBuilder(storage, [tokens], vocabulary)
      const x = b.rowOperand('x', inputs)
      const weight = b.weight('weight', [vocabulary, inputs])
      const bias = form.bias && b.vector('bias', [vocabulary])
      const t = naive
        .linear(naive.matrix(x, inputs), naive.matrix(weight, inputs), bias || undefined)
        .map((row) => row.map((value) => value * (scale ?? 1)))
        .map((row) => row.map((value) => (softCap ? softCap * naive.activate('tanh', value / softCap) : value)))
      const op = { kind: 'logits', x: 'x', weight: 'weight', scale, softCap, out: 'out' } as const
      return b.finishLogits({ ...op, ...(bias && { bias: 'bias' }) }, t.flat())
    },
  }
}

export const addCases: OperationCase[] = (
  [
    [1, 1],
    [3, 17],
    [17, 255],
  ] as const
).map(([tokens, width]) => ({
  operation: 'add',
  name: `add ${tokens}x${width}`,
  bound: BOUND,
  build(storage) {
    const b = new CaseBuilder(storage, [tokens], width)
    const x = b.operand('x', width)
    const y = b.operand('y', width)
    b.add({ kind: 'add', x: 'x', y: 'y', out: b.activation('out', 'tokens', width) })
    return b.finish(
      'out',
      Array.from(x, (value, i) => value + y[i]!),
    )
  },
}))

export const gatherCases: OperationCase[] = [[6], [0, 0, 3, 6], [0, 1, 2, 3, 4, 5, 6]].map((rows) => ({
  operation: 'gather-rows',
  name: `gather-rows ${rows}`,
  bound: 0,
  build(storage) {
    const b = new CaseBuilder(storage, [7], 17)
    const x = naive.matrix(b.operand('x', 17), 17)
    b.add({ kind: 'gather-rows', x: 'x', rows: b.input('rows'), out: b.activation('out', 'rows', 17) })
    return b.finishRows(
      'out',
      rows.flatMap((row) => x[row]!),
      { rows },
    )
  },
}))
