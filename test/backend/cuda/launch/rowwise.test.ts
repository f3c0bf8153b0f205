import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ADD_PARAMS, addLaunches } from '../../../../src/backend/cuda/launch/add.js'
import { EMBED_PARAMS, embedLaunches } from '../../../../src/backend/cuda/launch/embed.js'
import { GATHER_ROWS_PARAMS, gatherRowsLaunches } from '../../../../src/backend/cuda/launch/gather-rows.js'
import type { StepSizes } from '../../../../src/backend/cuda/launch/launch.js'
import { NORM_PARAMS, normLaunches } from '../../../../src/backend/cuda/launch/norm.js'
import { resolveIdsLaunches } from '../../../../src/backend/cuda/launch/resolve-ids.js'
import { SAMPLE_PARAMS, sampleLaunches } from '../../../../src/backend/cuda/launch/sample.js'
import type { Norm } from '../../../../src/program/operation.js'
import { H200, parametersIn, placesOf } from '../support/places.js'

const SIZES = {} as StepSizes
const SIMPLE: Norm = { kind: 'norm', norm: 'rms', epsilon: 1e-5, x: 'x', adds: [], out: 'out' }

function normOf(rows: number, width: number, type: 'f32' | 'bf16', op: Partial<Norm> = {}) {
  const row = { rows, width, type }
  const vector = { rows: width, width: 1 }
  const at = placesOf({ x: row, out: row, a: row, b: row, sum: row, weight: vector, bias: vector })
  return { at, launches: normLaunches({ ...SIMPLE, ...op }, at, SIZES) }
}

describe('norm', () => {
  test('every element of a row has a thread, whatever its width', () => {
    for (const type of ['f32', 'bf16'] as const) {
      for (const width of [1, 8, 17, 64, 512, 768, 1024, 4096, 5120, 8192, 12288, 16384, 32768, 40000]) {
        const [launch] = normOf(3, width, type).launches
        const held = Number(launch!.kernel.match(/(\d)_/)?.[1] ?? 0)
        const form = launch!.kernel.split('_')[1]!
        const vectors = (width * (type === 'f32' ? 4 : 2)) / 16
        if (form === 'plain') assert.equal(launch!.shared, width * 4, launch!.kernel)
        else if (form.startsWith('warp')) assert.ok(32 * held >= vectors, `${launch!.kernel} for ${width}`)
        else assert.ok(launch!.threads * held >= vectors && launch!.threads <= 1024, `${launch!.kernel} for ${width}`)
        const rowsPerBlock = form.startsWith('warp') ? launch!.threads / 32 : 1
        assert.ok(launch!.grid[0] * rowsPerBlock >= 3)
      }
    }
  })

  test('a row is normalised alike alone and beside others', () => {
    const form = (rows: number) => {
      const { kernel, threads } = normOf(rows, 4096, 'bf16').launches[0]!
      return { kernel, threads }
    }
    assert.deepEqual(form(1), form(4096))
  })

  test('operands that are not named are null', () => {
    const { at, launches } = normOf(2, 64, 'f32', { adds: ['a', 'b'], weight: 'weight' })
    const p = parametersIn(NORM_PARAMS, launches[0]!)
    assert.deepEqual([p.add0, p.add1, p.add2, p.sum, p.bias], [at.of('a'), at.of('b'), 0n, 0n, 0n])
    assert.deepEqual([p.weight, p.add_count, p.rows, p.width], [at.of('weight'), 2, 2, 64])
  })

  test('no rows need no launch; rows that no block holds and too many sums are refused', () => {
    assert.deepEqual(normOf(0, 64, 'f32').launches, [])
    assert.throws(() => normOf(1, 60_001, 'f32'), { code: 'program-invalid' })
    assert.throws(() => normOf(1, 64, 'f32', { adds: Array(9).fill('a') }), { code: 'program-invalid' })
  })
})

test('embed reads a float32 table into 16-bit rows, and positions only where a table of them is named', () => {
  const at = placesOf({
    ids: { rows: 5, width: 1 },
    positions: { rows: 5, width: 1 },
    table: { rows: 100, width: 48 },
    places: { rows: 20, width: 48 },
    out: { rows: 5, width: 48, type: 'bf16' },
  })
  const [launch] = embedLaunches(
    { kind: 'embed', ids: 'ids', table: 'table', positions: 'positions', positionTable: 'places', out: 'out' },
    at,
    SIZES,
  )
  assert.equal(launch!.kernel, 'embed_f32_bf16')
  const p = parametersIn(EMBED_PARAMS, launch!)
  assert.deepEqual([p.entries, p.places, p.width, p.scale, p.rows], [100, 20, 48, 1, 0n])
  const [plain] = embedLaunches(
    { kind: 'embed', ids: 'ids', table: 'table', positions: 'positions', out: 'out' },
    at,
    SIZES,
  )
  assert.equal(parametersIn(EMBED_PARAMS, plain!).positions, 0n)
})

test('add takes all rows as one, and no more blocks than the device runs', () => {
  const operand = (rows: number, width: number) => ({ rows, width, type: 'f16' as const })
  const of = (rows: number, width: number) => {
    const buffer = operand(rows, width)
    return addLaunches(
      { kind: 'add', x: 'x', y: 'y', out: 'out' },
      placesOf({ x: buffer, y: buffer, out: buffer }),
      SIZES,
    )[0]!
  }
  assert.equal(parametersIn(ADD_PARAMS, of(3, 17)).count, 51n)
  assert.equal(of(3, 17).grid[0], 1)
  assert.equal(of(8192, 8192).grid[0], 8 * H200.multiprocessors)
})

test('gather-rows knows how many rows it may read', () => {
  const at = placesOf({ x: { rows: 9, width: 17 }, rows: { rows: 4, width: 1 }, out: { rows: 4, width: 17 } })
  const [launch] = gatherRowsLaunches({ kind: 'gather-rows', x: 'x', rows: 'rows', out: 'out' }, at, SIZES)
  assert.equal(launch!.grid[0], 4)
  assert.equal(parametersIn(GATHER_ROWS_PARAMS, launch!).sources, 9)
})

test('resolve-ids has a thread for each token', () => {
  const places = { sources: 1n, previousTokens: 2n, hostIds: 3n, ids: 4n }
  assert.deepEqual(resolveIdsLaunches(places, 0), [])
  const [launch] = resolveIdsLaunches(places, 1000)
  assert.ok(launch!.grid[0] * launch!.threads >= 1000)
})

describe('sample', () => {
  const of = (rows: number, vocabulary: number, architecture = 90) => {
    const at = placesOf({ logits: { rows, width: vocabulary } }, { device: { ...H200, architecture } })
    const places = { records: 1n, results: 2n, tokens: 3n }
    return sampleLaunches({ kind: 'sample', logits: 'logits', sampling: 's', out: 'o' }, at, places, SIZES)[0]!
  }

  test('few rows are shared by a cluster of blocks, many have a block each', () => {
    assert.equal(of(1, 50_257).cluster, 4)
    assert.equal(of(1, 128_256).cluster, 8)
    assert.equal(of(256, 128_256).cluster, undefined)
    for (const rows of [1, 7, 64, 256]) {
      const launch = of(rows, 128_256)
      assert.equal(launch.grid[0], rows * (launch.cluster ?? 1))
      assert.equal(parametersIn(SAMPLE_PARAMS, launch).parts, launch.cluster ?? 1)
    }
  })

  test('devices without clusters have a block a row', () => {
    assert.equal(of(1, 128_256, 89).cluster, undefined)
    assert.equal(parametersIn(SAMPLE_PARAMS, of(1, 128_256, 89)).parts, 1)
  })

  test('the weights of a vocabulary, summed, fit 64 bits', () => {
    for (const vocabulary of [1, 17, 50_257, 262_144, 1_048_576, 2 ** 26 - 1]) {
      const unit = parametersIn(SAMPLE_PARAMS, of(1, vocabulary)).unit as number
      assert.ok(BigInt(unit) * BigInt(vocabulary) < 1n << 63n, `${vocabulary}`)
    }
    assert.throws(() => of(1, 2 ** 27), { code: 'program-invalid' })
  })
})
