import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StepSizes } from '../../../../src/backend/cuda/launch/launch.js'
import { MOE_COMBINE_PARAMS, MOE_PRODUCT_PARAMS, moeLaunches } from '../../../../src/backend/cuda/launch/moe.js'
import type { Moe } from '../../../../src/program/operation.js'
import { parametersIn, placesOf } from '../support/places.js'

const OP: Moe = {
  kind: 'moe',
  ...{ x: 'x', router: 'router', up: 'up', down: 'down', out: 'out' },
  ...{ experts: 8, topK: 2, renormalise: true, gated: true, activation: 'silu' },
}

interface Form {
  readonly tokens: number
  readonly hidden?: number
  readonly inner?: number
  readonly type?: 'f32' | 'f16' | 'bf16'
  readonly deterministic?: boolean
}

function planned(
  { tokens, hidden = 64, inner = 96, type = 'bf16', deterministic = false }: Form,
  op: Partial<Moe> = {},
) {
  const rows = { rows: tokens, width: hidden, type }
  const { experts } = { ...OP, ...op }
  const at = placesOf(
    {
      x: rows,
      out: rows,
      router: { rows: experts, width: hidden },
      up: { rows: 2 * inner, width: hidden, type, count: experts },
      down: { rows: hidden, width: inner, type, count: experts },
    },
    { deterministic },
  )
  return { at, launches: moeLaunches({ ...OP, ...op }, at, {} as StepSizes) }
}

const kernels = (form: Form, op?: Partial<Moe>) => planned(form, op).launches.map(({ kernel }) => kernel)

describe('moe', () => {
  test('few tokens are not sorted, many are', () => {
    assert.deepEqual(kernels({ tokens: 4 }), [
      'moe_route_bf16',
      'moe_gated_few_bf16',
      'moe_down_few_bf16',
      'moe_combine_bf16',
    ])
    assert.deepEqual(kernels({ tokens: 400 }), [
      'moe_route_bf16',
      'moe_sort',
      'moe_gated_many_bf16',
      'moe_down_many_bf16',
      'moe_combine_bf16',
    ])
  })

  test('float32, and rows that are no multiple of 16 bytes, take the plain form', () => {
    for (const form of [
      { tokens: 4, type: 'f32' as const },
      { tokens: 4, hidden: 17 },
      { tokens: 4, inner: 31 },
    ]) {
      assert.ok(kernels(form, { gated: false }).some((kernel) => kernel.startsWith('moe_up_plain_')))
    }
  })

  test('in deterministic mode the number of tokens does not choose the form', () => {
    const alone = kernels({ tokens: 1, deterministic: true })
    assert.deepEqual(alone, kernels({ tokens: 2000, deterministic: true }))
  })

  test('there is a tile for every row, however tokens choose', () => {
    for (const [tokens, experts, topK] of [
      [400, 8, 2],
      [129, 1, 1],
      [1000, 64, 6],
      [300, 2, 1],
    ] as const) {
      const { launches } = planned({ tokens }, { experts, topK })
      const product = launches.find(({ kernel }) => kernel.startsWith('moe_gated_many'))!
      const picks = tokens * topK
      // The worst case: all experts but one have a single row more than full tiles.
      const spread = Math.min(experts, picks)
      const tiles = spread - 1 + Math.ceil((picks - (spread - 1)) / 128)
      assert.ok(product.grid[1] >= tiles, `${product.grid[1]} of ${tiles}`)
    }
  })

  test('scratch memory holds a row of the inner and of the outer width for each choice', () => {
    const { at } = planned({ tokens: 5, hidden: 64, inner: 96 })
    assert.ok(at.scratchBytes >= 10 * (96 * 2 + 64 * 4))
  })

  test('the way down reads the rows that the way up wrote, and a token is the sum of its own', () => {
    const { launches } = planned({ tokens: 400 })
    const [up, down] = launches
      .filter(({ kernel }) => /_(gated|down)_/.test(kernel))
      .map((launch) => parametersIn(MOE_PRODUCT_PARAMS, launch))
    assert.equal(up!.out, down!.x)
    assert.deepEqual(
      [up!.inputs, up!.outputs, up!.top_k, down!.inputs, down!.outputs, down!.top_k],
      [64, 96, 2, 96, 64, 1],
    )
    assert.notEqual(up!.order, 0n)
    assert.equal(down!.order, 0n)
    assert.equal(parametersIn(MOE_COMBINE_PARAMS, launches.at(-1)!).parts, down!.out)
  })
})
