import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KernelType } from '../../../../src/backend/cuda/codes.js'
import { ATTENTION_PARAMS, attentionLaunches } from '../../../../src/backend/cuda/launch/attention.js'
import { copyBlocksLaunches, MOST_CACHES } from '../../../../src/backend/cuda/launch/copy-blocks.js'
import { planDecode } from '../../../../src/backend/cuda/launch/decode-plan.js'
import { FUSED_DECODE_PARAMS, fusedDecodeLaunches } from '../../../../src/backend/cuda/launch/fused-decode.js'
import type { Launch, Places, StepSizes } from '../../../../src/backend/cuda/launch/launch.js'
import { QKV_PARAMS, qkvToCacheLaunches } from '../../../../src/backend/cuda/launch/qkv-to-cache.js'
import type { Fields, Struct } from '../../../../src/backend/structs.js'
import type { Attention, CopyBlocks, Operation, QkvToCache } from '../../../../src/program/operation.js'
import type { Program } from '../../../../src/program/program.js'
import { type AttentionForm, buildAttention } from '../../../support/operation-cases/paged-attention.js'

const H100 = { architecture: 90, multiprocessors: 132, sharedPerBlock: 227 << 10, l2Bytes: 50 << 20 }
const A100 = { ...H100, architecture: 80, multiprocessors: 108, sharedPerBlock: 163 << 10 }
const RTX = { ...H100, architecture: 89, multiprocessors: 128, sharedPerBlock: 99 << 10 }

const FORM: AttentionForm = { heads: 8, kvHeads: 8, headDim: 128, schedule: [{ adds: [[0, 1]] }], fused: true }
const ONE: StepSizes = { tokens: 1, rows: 1, sequences: 1, copies: 0, longestQuery: 1, longestContext: 4096 }

function programOf(form: Partial<AttentionForm> = {}, blockSize = 64): Program {
  const storage = { weightType: 'f32', cacheType: 'f32', activationType: 'f32', blockSize } as const
  return buildAttention({ ...FORM, ...form }, storage).program
}

/** Every buffer at an address of its own, all of one type. */
function placesOf(program: Program, type: KernelType, changes: Partial<Places> = {}): Places & { scratched: number[] } {
  const names = [...program.buffers.keys()]
  const scratched: number[] = []
  return {
    program,
    device: H100,
    blockSize: 64,
    tableStride: 64,
    deterministic: false,
    of: (ref) => BigInt(names.indexOf(ref) + 1) << 20n,
    typeOf: () => type,
    widthOf: (ref) => program.buffers.get(ref)!.shape.at(-1) as number,
    rowsOf: (_, { tokens }) => tokens,
    weight: () => assert.fail('attention reads no weights'),
    scratch: (bytes) => {
      scratched.push(bytes)
      return 1n << 40n
    },
    ...changes,
    scratched,
  }
}

function find<K extends Operation['kind']>(program: Program, kind: K): Extract<Operation, { kind: K }> {
  return program.operations.find((op) => op.kind === kind) as Extract<Operation, { kind: K }>
}
const attentionOf = (program: Program): Attention => find(program, 'attention')
const qkvOf = (program: Program): QkvToCache => find(program, 'qkv-to-cache')

/** A whole number of a launch's parameters. */
function read(launch: Launch, layout: Struct<Fields>, field: string): number {
  return new DataView(launch.parameters.buffer).getInt32(layout.offsets[field]!, true)
}
const readPointer = (launch: Launch, layout: Struct<Fields>, field: string) =>
  new DataView(launch.parameters.buffer).getBigInt64(layout.offsets[field]!, true)

describe('which kernels attention takes', () => {
  const kernels = (form: Partial<AttentionForm>, type: KernelType, sizes: Partial<StepSizes>) => {
    const program = programOf(form)
    return attentionLaunches(attentionOf(program), placesOf(program, type), { ...ONE, ...sizes }).map((l) => l.kernel)
  }
  const chunk = { tokens: 100, longestQuery: 100 }

  test('tensor cores for 16-bit heads of whole 16-byte pieces, padded to a compiled size', () => {
    assert.deepEqual(kernels({ headDim: 80 }, 'bf16', chunk), ['prompt_96_bf16'])
    assert.deepEqual(kernels({ headDim: 128 }, 'f16', chunk), ['prompt_128_f16'])
    assert.deepEqual(kernels({ headDim: 8 }, 'f16', {}), ['decode_32_f16'])
  })
  test('the plain kernel for f32 and for other head sizes', () => {
    assert.deepEqual(kernels({}, 'f32', chunk), ['attention_f32'])
    assert.deepEqual(kernels({ headDim: 6 }, 'bf16', {}), ['attention_bf16'])
  })
  test('both in a step that mixes chunks and single tokens, each leaving the other’s sequences alone', () => {
    const program = programOf()
    const sizes = { ...ONE, tokens: 103, sequences: 4, longestQuery: 100 }
    const [prompt, decode] = attentionLaunches(attentionOf(program), placesOf(program, 'bf16'), sizes)
    assert.deepEqual([prompt!.kernel, decode!.kernel], ['prompt_128_bf16', 'decode_128_bf16'])
    assert.equal(read(prompt!, ATTENTION_PARAMS, 'skip_single'), 1)
    // Tiles of 128 queries: one at most for each sequence.
    assert.deepEqual(prompt!.grid, [8, 4, 1])
  })
  test('the prompt kernel alone where every sequence adds as many', () => {
    assert.deepEqual(kernels({}, 'bf16', { tokens: 64, sequences: 2, longestQuery: 32 }), ['prompt_128_bf16'])
  })
  test('caches of another type than the activations are refused', () => {
    const program = programOf()
    const at = placesOf(program, 'bf16', { typeOf: (ref) => (ref === 'keys' ? 'f16' : 'bf16') })
    assert.throws(() => attentionLaunches(attentionOf(program), at, ONE), { code: 'program-invalid' })
  })
})

describe('how decode is split', () => {
  const plan = (units: number, sizes: Partial<StepSizes>, changes: Partial<Places> = {}) =>
    planDecode(units, placesOf(programOf(), 'bf16', changes), { ...ONE, ...sizes })

  test('a single sequence of few heads is split so that blocks fill the device', () => {
    assert.deepEqual(plan(32, {}), { splits: 8, splitKeys: 0, joins: 'cluster' })
    const { splits, joins } = plan(1, { longestContext: 32768 })
    assert.deepEqual([splits, joins], [128, 'kernel'])
  })
  test('a cluster that fills a part of the device joins short contexts only', () => {
    assert.equal(plan(8, { longestContext: 4096 }).joins, 'cluster')
    assert.deepEqual(plan(8, { longestContext: 32768 }), { splits: 33, splitKeys: 0, joins: 'kernel' })
  })
  test('enough sequences are not split', () => {
    assert.deepEqual(plan(32, { sequences: 8 }), { splits: 1, splitKeys: 0, joins: 'nothing' })
  })
  test('short contexts are not split into less than a block has work for', () => {
    assert.equal(plan(8, { longestContext: 60 }).splits, 1)
    assert.equal(plan(8, { longestContext: 200 }).splits, 4)
  })
  test('without clusters a second kernel joins, from scratch memory for every split', () => {
    const program = programOf()
    const at = placesOf(program, 'bf16', { device: A100 })
    const [decode, join] = attentionLaunches(attentionOf(program), at, ONE)
    const splits = decode!.grid[0]
    assert.equal(decode!.cluster, undefined)
    assert.equal(join!.kernel, 'join_splits_bf16')
    assert.deepEqual(at.scratched, [4 * 8 * splits * (128 + 2)])
    assert.equal(readPointer(join!, ATTENTION_PARAMS, 'partials'), 1n << 40n)
  })
  test('deterministic splits do not follow from what else is in the step', () => {
    for (const device of [H100, A100]) {
      const alone = plan(8, { longestContext: 4096 }, { deterministic: true, device })
      assert.deepEqual(plan(8, { longestContext: 4096, sequences: 100 }, { deterministic: true, device }), alone)
    }
    // A longer neighbour adds splits, but none of them moves.
    const shorter = plan(8, { longestContext: 1000 }, { deterministic: true, device: A100 })
    const longer = plan(8, { longestContext: 4096 }, { deterministic: true, device: A100 })
    assert.equal(shorter.splitKeys, longer.splitKeys)
    assert.ok(longer.splits > shorter.splits)
  })
  test('groups of more than 16 query heads take several blocks', () => {
    const program = programOf({ heads: 40, kvHeads: 2 })
    const [decode] = attentionLaunches(attentionOf(program), placesOf(program, 'bf16'), ONE)
    assert.equal(decode!.grid[1], 4)
  })
})

describe('qkv-to-cache', () => {
  const launch = (form: Partial<AttentionForm>, type: KernelType, sizes: Partial<StepSizes> = {}) => {
    const program = programOf(form)
    return qkvToCacheLaunches(qkvOf(program), placesOf(program, type), { ...ONE, ...sizes })[0]!
  }
  test('reads the slices of a fused product', () => {
    const one = launch({}, 'bf16')
    const q = readPointer(one, QKV_PARAMS, 'q')
    assert.equal(readPointer(one, QKV_PARAMS, 'k') - q, 2n * 8n * 128n)
    assert.equal(readPointer(one, QKV_PARAMS, 'v') - q, 4n * 8n * 128n)
    assert.equal(read(one, QKV_PARAMS, 'k_stride'), 3 * 8 * 128)
  })
  test('takes 16 bytes at a time unless pairs or heads are cut by them', () => {
    assert.equal(launch({}, 'bf16').kernel, 'qkv_to_cache_bf16')
    assert.equal(launch({ headDim: 72 }, 'bf16').kernel, 'qkv_to_cache_single_bf16')
    assert.equal(launch({ rotary: { dim: 24, pairs: 'half' } }, 'f16').kernel, 'qkv_to_cache_single_f16')
    assert.equal(launch({ rotary: { dim: 24, pairs: 'interleaved' } }, 'f16').kernel, 'qkv_to_cache_f16')
    assert.equal(launch({ rotary: { dim: 24, pairs: 'half' } }, 'f32').kernel, 'qkv_to_cache_f32')
  })
  test('every head of every token is somebody’s, for any number of tokens', () => {
    for (const tokens of [1, 7, 300, 4096]) {
      const one = launch({ heads: 5, kvHeads: 5, headDim: 96 }, 'bf16', { tokens })
      assert.equal(one.grid[0], tokens)
      assert.ok(one.grid[1] * read(one, QKV_PARAMS, 'heads_per_block') >= 15)
    }
  })
  test('heads of more than 256 elements are refused', () => {
    assert.throws(() => launch({ headDim: 320 }, 'bf16'), { code: 'program-invalid' })
  })
})

describe('fused decode', () => {
  const fuse = (form: Partial<AttentionForm>, changes: Partial<Places> = {}, sizes: Partial<StepSizes> = {}) => {
    const program = programOf(form)
    return fusedDecodeLaunches(qkvOf(program), attentionOf(program), placesOf(program, 'bf16', changes), {
      ...ONE,
      ...sizes,
    })
  }
  test('takes both operations where every sequence adds one token', () => {
    const [one, ...rest] = fuse({})!
    assert.deepEqual([one!.kernel, one!.cluster, rest.length], ['fused_decode_128_bf16', 8, 0])
    assert.equal(one!.parameters.length, FUSED_DECODE_PARAMS.bytes)
    assert.equal(fuse({}, {}, { tokens: 2, longestQuery: 2 }), undefined)
  })
  test('not where somebody else reads the queries', () => {
    assert.equal(fuse({ readQueries: true }), undefined)
  })
  test('not where heads are cut by 16-byte pieces, or shared memory is short', () => {
    assert.equal(fuse({ headDim: 24 }), undefined)
    assert.equal(fuse({}, { device: RTX }), undefined)
    assert.ok(fuse({ headDim: 64 }, { device: RTX }))
  })
})

test('copy-blocks copies all caches at once, as many as fit a launch’s parameters', () => {
  const program = programOf()
  const caches = Array.from({ length: MOST_CACHES + 2 }, (_, i) => (i % 2 === 0 ? 'keys' : 'values'))
  const op: CopyBlocks = { kind: 'copy-blocks', caches, pairs: 'copies' }
  const at = placesOf(program, 'bf16')
  assert.deepEqual(copyBlocksLaunches(op, at, ONE), [])
  const launches = copyBlocksLaunches(op, at, { ...ONE, copies: 3 })
  // 64 tokens of 8 heads of 128 elements of 2 bytes, in pieces of 256 threads of 16 bytes.
  assert.deepEqual(
    launches.map(({ grid }) => grid),
    [
      [32, MOST_CACHES, 1],
      [32, 2, 1],
    ],
  )
})
