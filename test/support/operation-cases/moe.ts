import type { Activation } from '../../../src/program/operation.js'
import * as naive from '../naive.js'
import { CaseBuilder } from './builder.js'
import type { OperationCase } from './case.js'

interface MoeForm {
  readonly tokens: number
  readonly hidden: number
  readonly inner: number
  readonly experts: number
  readonly topK: number
  readonly renormalise: boolean
  readonly gated: boolean
  readonly activation: Activation
  readonly bias?: boolean
  /** All experts of one kind get the same score. */
  readonly ties?: boolean
}

const SHAPE = { tokens: 7, hidden: 17, inner: 31, experts: 5 }

export const moeCases: OperationCase[] = [
  moeCase({ ...SHAPE, topK: 1, renormalise: false, gated: false, activation: 'gelu' }),
  moeCase({ ...SHAPE, topK: 2, renormalise: true, gated: true, activation: 'silu' }),
  moeCase({ ...SHAPE, topK: 2, renormalise: false, gated: true, activation: 'silu', bias: true }),
  moeCase({ ...SHAPE, tokens: 33, topK: 5, renormalise: true, gated: false, activation: 'relu', bias: true }),
  moeCase({ ...SHAPE, tokens: 1, topK: 2, renormalise: true, gated: true, activation: 'silu' }),
  moeCase({ ...SHAPE, topK: 2, renormalise: true, gated: true, activation: 'silu', ties: true }),
  moeCase({
    ...SHAPE,
    experts: 8,
    hidden: 64,
    inner: 3,
    topK: 3,
    renormalise: false,
    gated: false,
    activation: 'relu2',
  }),
]

function moeCase(form: MoeForm): OperationCase {
  const { tokens, hidden, inner, experts, topK, renormalise, gated, activation, ties = false } = form
  const outputs = gated ? 2 * inner : inner
  return {
    operation: 'moe',
    name: `moe ${JSON.stringify(form)}`,
    bound: 4e-6,
    build(storage) {
      const b = new CaseBuilder(storage, [tokens], experts * topK)
      const x = b.operand('x', hidden)
      const scores = b.random.exact(experts * hidden)
      // Expert e scores as expert e - 2 does, so that every choice of an odd number of experts splits a tie.
      if (ties) for (let i = 2 * hidden; i < scores.length; i++) scores[i] = scores[i - 2 * hidden]!
      const router = naive.matrix(b.vector('router', [experts, hidden], scores), hidden)
      const up = naive.matrix(b.weight('up', [experts, outputs, hidden]), hidden)
      const down = naive.matrix(b.weight('down', [experts, hidden, inner]), inner)
      const upBias = form.bias && b.vector('up-bias', [experts, outputs])
      const downBias = form.bias && b.vector('down-bias', [experts, hidden])
      b.add({
        kind: 'moe',
        ...{ x: 'x', router: 'router', up: 'up', down: 'down' },
        ...(upBias && { upBias: 'up-bias' }),
        ...(downBias && { downBias: 'down-bias' }),
        ...{ experts, topK, renormalise, gated, activation },
        out: b.activation('out', 'tokens', hidden),
      })
      const expert = (e: number, row: readonly number[]) => {
        const bias = upBias ? upBias.slice(e * outputs, (e + 1) * outputs) : undefined
        const raised = naive.linear([row], up.slice(e * outputs, (e + 1) * outputs), bias)
        const active = gated
          ? naive.gate(raised, activation)
          : raised.map((values) => values.map((value) => naive.activate(activation, value)))
        const lastBias = downBias ? downBias.slice(e * hidden, (e + 1) * hidden) : undefined
        return naive.linear(active, down.slice(e * hidden, (e + 1) * hidden), lastBias)[0]!
      }
      const expected = naive.matrix(x, hidden).map((row) => {
        const p = naive.softmax(router.map((w) => naive.inner(row, w)))
        const chosen = naive.topK(p, topK)
        const total = renormalise ? naive.sum(chosen.map((e) => p[e]!)) : 1
        const parts = chosen.map((e) => expert(e, row).map((value) => (value * p[e]!) / total))
        return row.map((_, i) => naive.sum(parts.map((part) => part[i]!)))
      })
      return b.finish('out', expected.flat())
    },
  }
}
