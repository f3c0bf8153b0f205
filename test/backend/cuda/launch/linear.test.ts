import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KernelType } from '../../../../src/backend/cuda/codes.js'
import type { DeviceLimits, Launch, Places, StepSizes } from '../../../../src/backend/cuda/launch/launch.js'
import { LINEAR_PARAMS, linearLaunches, logitsLaunches } from '../../../../src/backend/cuda/launch/linear.js'
import { deterministicSlice, type ProductShape, planSkinny } from '../../../../src/backend/cuda/launch/linear-plan.js'
import type { Linear, Logits } from '../../../../src/program/operation.js'

const H200: DeviceLimits = { architecture: 90, multiprocessors: 132, sharedPerBlock: 232448, l2Bytes: 60e6 }
const A100: DeviceLimits = { architecture: 80, multiprocessors: 108, sharedPerBlock: 166912, l2Bytes: 40e6 }
const RTX: DeviceLimits = { architecture: 86, multiprocessors: 84, sharedPerBlock: 101376, l2Bytes: 6e6 }
const SIZES: StepSizes = { tokens: 0, rows: 0, sequences: 0, copies: 0, longestQuery: 1, longestContext: 1 }

/** Llama 2 7B, Llama 3.1 8B, GPT 6.7B, 1.3B and 350M, GPT-3 175B cut in 4, and odd ones: outputs, inputs, gated. */
const WEIGHTS: readonly (readonly [number, number, boolean])[] = [
  ...([
    [12288, 4096, false],
    [4096, 4096, false],
    [11008, 4096, true],
    [4096, 11008, false],
  ] as const),
  ...([
    [6144, 4096, false],
    [14336, 4096, true],
    [4096, 14336, false],
    [128256, 4096, false],
  ] as const),
  ...([
    [16384, 4096, false],
    [4096, 16384, false],
    [6144, 2048, false],
    [2048, 8192, false],
  ] as const),
  ...([
    [3072, 1024, false],
    [1024, 1024, false],
    [4096, 1024, false],
    [1024, 4096, false],
  ] as const),
  ...([
    [9216, 12288, false],
    [12288, 3072, false],
    [12288, 12288, false],
  ] as const),
  ...([
    [1, 8, false],
    [17, 136, false],
    [3, 264, true],
    [50257, 768, false],
  ] as const),
]
const ROWS = [1, 2, 7, 8, 9, 16, 17, 32, 33, 64, 100]

interface Form {
  readonly rows: number
  readonly inputs: number
  readonly outputs: number
  readonly type?: KernelType
  readonly gated?: boolean
  readonly device?: DeviceLimits
  readonly deterministic?: boolean
}

/** Addresses are the references' positions in this list, times 2 ** 20. */
const REFS = ['weight', 'x', 'bias', 'multiply', 'residual', 'out']
const address = (ref: string) => BigInt(REFS.indexOf(ref) + 1) << 20n
const SCRATCH = 1n << 40n

function places(form: Form): Places {
  const { rows, inputs, outputs, type = 'bf16', gated, device = H200, deterministic = false } = form
  return {
    device,
    deterministic,
    of: address,
    typeOf: (ref: string) => (ref === 'logits' ? 'f32' : type),
    widthOf: (ref: string) => (ref === 'x' ? inputs : outputs),
    rowsOf: () => rows,
    weight: (ref: string) => ({
      address: address(ref),
      type,
      rows: gated ? 2 * outputs : outputs,
      columns: inputs,
      count: 1,
    }),
    scratch: () => SCRATCH,
  } as Partial<Places> as Places
}

function launches(form: Form, op: Partial<Linear> = {}): Launch[] {
  const gate = form.gated ? { gated: true, activation: 'silu' as const } : {}
  return linearLaunches({ kind: 'linear', x: 'x', weight: 'weight', out: 'out', ...gate, ...op }, places(form), SIZES)
}

function field(launch: Launch, name: keyof typeof LINEAR_PARAMS.fields): number {
  const view = new DataView(launch.parameters.buffer)
  const at = LINEAR_PARAMS.offsets[name]
  const kind = LINEAR_PARAMS.fields[name]
  if (kind === 'pointer') return Number(view.getBigInt64(at, true))
  return kind === 'f32' ? view.getFloat32(at, true) : view.getInt32(at, true)
}

const shapes: ProductShape[] = WEIGHTS.flatMap(([outputs, inputs, gated]) =>
  ROWS.map((rows) => ({ rows, inputs, outputs, gated })),
)

describe('the plan of a product with few rows', () => {
  for (const [name, device] of Object.entries({ H200, A100, RTX })) {
    test(`covers all of K and fits into shared memory: ${name}`, () => {
      for (const shape of shapes) {
        const plan = planSkinny(shape, device, false)
        assert.ok(plan.shared <= device.sharedPerBlock)
        assert.ok(plan.splits * plan.slice >= shape.inputs)
        assert.equal(plan.slice % 128, 0)
        assert.equal(plan.xChunk % 128, 0)
        assert.ok(plan.xChunk >= Math.min(plan.slice, 256), 'a chunk holds as many stages as the ring, or all of x')
        assert.ok(plan.groups >= 1 && plan.groups * plan.splits <= device.multiprocessors)
        assert.equal(plan.partial, plan.splits > 1 && device.architecture < 90)
      }
    })
  }

  test('with `deterministic`, parts of K depend on the weight alone', () => {
    for (const shape of shapes) {
      const { splits, slice } = planSkinny(shape, H200, true)
      const one = planSkinny({ ...shape, rows: 1 }, H200, true)
      assert.deepEqual([splits, slice], [one.splits, one.slice])
      assert.equal(slice, deterministicSlice({ ...shape, rows: 4096 }, H200))
    }
  })

  test('the blocks of two kernels fit on a multiprocessor up to 32 rows', () => {
    for (const shape of shapes.filter(({ rows }) => rows <= 32)) {
      const { shared } = planSkinny(shape, H200, false)
      assert.ok(2 * (shared + 1024) <= 228 * 1024, `${JSON.stringify(shape)} takes ${shared}`)
    }
  })

  test('every multiprocessor has a share of the weights of known models', () => {
    for (const [outputs, inputs, gated] of WEIGHTS.slice(0, 19)) {
      const { splits, groups } = planSkinny({ rows: 1, inputs, outputs, gated }, H200, false)
      const columns = gated ? 8 : 16
      const perGroup = Math.ceil(outputs / columns) / groups
      assert.ok(groups * splits >= 64, `${outputs}x${inputs}: ${groups} groups of ${splits}`)
      const busiest = Math.ceil(perGroup)
      assert.ok(busiest / perGroup <= 1.1, `${outputs}x${inputs}: ${perGroup} tiles a group`)
    }
  })
})

describe('launches of a product', () => {
  test('few rows stream the weight, with a cluster where K is split', () => {
    const [launch, ...more] = launches({ rows: 3, inputs: 4096, outputs: 4096 }, { bias: 'bias', residual: 'residual' })
    assert.equal(more.length, 0)
    assert.equal(launch!.kernel, 'skinny_8_bf16')
    assert.equal(launch!.cluster, field(launch!, 'splits'))
    assert.equal(launch!.grid[0], field(launch!, 'splits') * field(launch!, 'groups'))
    for (const ref of ['weight', 'x', 'bias', 'residual', 'out'] as const) {
      assert.equal(field(launch!, ref), Number(address(ref)), ref)
    }
    assert.equal(field(launch!, 'multiply'), 0)
    assert.equal(field(launch!, 'partial'), 0)
    assert.equal(field(launch!, 'scale'), 1)
    assert.equal(field(launch!, 'wide'), 0)
  })

  test('without clusters, the parts of K meet in scratch memory and a second kernel adds them', () => {
    const [launch, epilogue] = launches({ rows: 3, inputs: 65536, outputs: 256, device: A100 })
    assert.equal(launch!.cluster, undefined)
    assert.equal(field(launch!, 'partial'), Number(SCRATCH))
    assert.equal(epilogue!.kernel, 'epilogue_bf16')
  })

  test('gated: out is half as wide as the weight is high', () => {
    const [launch] = launches({ rows: 3, inputs: 512, outputs: 1000, gated: true, type: 'f16' })
    assert.equal(launch!.kernel, 'skinny_8_f16')
    assert.equal(field(launch!, 'outputs'), 1000)
    assert.equal(field(launch!, 'gated'), 1)
  })

  test('widths that are no multiple of 16 bytes take the path without alignment', () => {
    assert.equal(launches({ rows: 3, inputs: 255, outputs: 64 })[0]!.kernel, 'plain_bf16')
    assert.equal(launches({ rows: 3, inputs: 6, outputs: 64, type: 'f32' })[0]!.kernel, 'plain_f32')
    assert.equal(launches({ rows: 300, inputs: 255, outputs: 64, type: 'f16' })[0]!.grid[1], 38)
  })

  test('many rows are computed in tiles, the same parts of K in order where `deterministic`', () => {
    const form = { rows: 2048, inputs: 4096, outputs: 12288 }
    const [launch] = launches(form)
    assert.equal(launch!.kernel, 'tiled_bf16')
    assert.equal(launch!.grid[0], 16 * 96)
    const [exact] = launches({ ...form, deterministic: true })
    assert.equal(exact!.kernel, 'tiled_parts_bf16')
    assert.equal(field(exact!, 'slice'), field(launches({ ...form, rows: 1, deterministic: true })[0]!, 'slice'))
  })

  test('float32 keeps to one order of sums where `deterministic`', () => {
    const form = { rows: 2048, inputs: 1024, outputs: 1024, type: 'f32' } as const
    assert.equal(launches(form)[0]!.kernel, 'tiled_f32')
    assert.equal(launches({ ...form, deterministic: true })[0]!.kernel, 'vector_8_f32')
    assert.equal(launches({ ...form, rows: 1 })[0]!.kernel, 'vector_1_f32')
  })

  test('no rows, no launch', () => assert.deepEqual(launches({ rows: 0, inputs: 64, outputs: 64 }), []))

  test('logits are float32, scaled and capped', () => {
    const op: Logits = { kind: 'logits', x: 'x', weight: 'weight', scale: 0.5, softCap: 30, out: 'logits' }
    const [launch] = logitsLaunches(op, places({ rows: 1, inputs: 64, outputs: 1000 }), SIZES)
    assert.deepEqual([field(launch!, 'wide'), field(launch!, 'scale'), field(launch!, 'soft_cap')], [1, 0.5, 30])
  })

  test('a weight of another type, or of another width, is refused', () => {
    const at = places({ rows: 1, inputs: 64, outputs: 64 })
    const op: Linear = { kind: 'linear', x: 'x', weight: 'weight', out: 'out' }
    const wrong = (weight: object) => ({ ...at, weight: () => ({ ...at.weight('weight'), ...weight }) })
    assert.throws(() => linearLaunches(op, wrong({ type: 'f16' }), SIZES), { code: 'program-invalid' })
    assert.throws(() => linearLaunches(op, wrong({ columns: 63 }), SIZES), { code: 'program-invalid' })
  })
})
