import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import type { DataType } from '../../../src/program/buffer.js'
import { weightBytes } from '../../../src/program/cost.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import type { Program } from '../../../src/program/program.js'
import type { StepInputs } from '../../../src/program/step.js'
import type { WeightReader } from '../../../src/program/weight-source.js'
import { bf16ToFloat32, float32ToBf16 } from '../../../src/weights/dtype.js'
import { randomModel } from '../../support/random-model.js'
import { startReference } from '../../support/run-reference.js'
import { GREEDY_ROW, stepInputs } from '../../support/steps.js'

const FORM = { rotary: { dim: 6, pairs: 'half', dynamicFrom: 64 } } as const
const { spec, weights } = randomModel(FORM)
const program = optimize(lower(spec, REFERENCE_LOWERING))
const HIDDEN = 24
const VOCABULARY = 61

const PARTS = [
  { ids: [1, 2, 3], cached: 0, blocks: [4] },
  { ids: [9, 8], cached: 15, blocks: [2, 7] },
]
const right = () => stepInputs(PARTS, { blockSize: 16 })

describe('outputs', () => {
  test('a row’s token is the largest of its logits', async () => {
    const executor = await startReference(program, weights)
    const { sampled, logits } = await executor.step(right())
    assert.equal(sampled.length, 2)
    sampled.forEach(({ token }, r) => {
      const row = logits!.slice(r * VOCABULARY, (r + 1) * VOCABULARY)
      assert.equal(token, row.indexOf(Math.max(...row)))
    })
  })

  test('a row may be wanted several times', async () => {
    const executor = await startReference(program, weights)
    const { logits, sampled } = await executor.step(stepInputs(PARTS, { blockSize: 16, rows: [2, 2, 4] }))
    assert.equal(sampled.length, 3)
    assert.deepEqual(logits!.slice(0, VOCABULARY), logits!.slice(VOCABULARY, 2 * VOCABULARY))
  })

  test('hidden states come for the tokens asked for, logits only if asked for', async () => {
    const executor = await startReference(program, weights)
    const { hidden: all } = await executor.step(right())
    const { hidden, logits } = await executor.step({ ...right(), hiddenOf: Int32Array.of(4, 0), wantLogits: false })
    assert.equal(logits, undefined)
    assert.deepEqual(hidden!.slice(0, HIDDEN), all!.slice(4 * HIDDEN))
    assert.deepEqual(hidden!.slice(HIDDEN), all!.slice(0, HIDDEN))
    const neither = await executor.step({ ...right(), hiddenOf: undefined, wantLogits: false })
    assert.equal(neither.hidden, undefined)
  })

  test('what a step returned is not overwritten by the next', async () => {
    const executor = await startReference(program, weights)
    const first = await executor.step(right())
    const copies = [first.logits!.slice(), first.hidden!.slice()]
    await executor.step(stepInputs([{ ids: [40, 41, 42, 43], cached: 0, blocks: [0] }], { blockSize: 16 }))
    assert.deepEqual([first.logits, first.hidden], copies)
  })

  test('rows without logits may be asked for nothing', async () => {
    const executor = await startReference(program, weights)
    assert.deepEqual((await executor.step(stepInputs(PARTS, { blockSize: 16, rows: [] }))).sampled, [])
  })
})

describe('a step that cannot be right is refused, and the executor goes on', () => {
  const wrong = (name: string, change: Partial<StepInputs>, message: RegExp) =>
    test(name, async () => {
      const executor = await startReference(program, weights, { blocks: 10, maxTokens: 8, maxRows: 4 })
      const before = await executor.step(right())
      await assert.rejects(executor.step({ ...right(), ...change }), { code: 'step-invalid', message })
      assert.deepEqual(await executor.step(right()), before)
    })
  const ints = (...values: number[]) => Int32Array.from(values)
  const many = Array.from({ length: 9 }, (_, i) => i)
  wrong('no tokens', { ids: ints() }, /at least one token/)
  wrong('too many tokens', { ids: ints(...many) }, /9 tokens and the executor was made for 8/)
  wrong('too few positions', { positions: ints(0, 1) }, /5 tokens need as many positions, not 2/)
  wrong('no rotary lengths', { rotaryLengths: undefined }, /need as many rotary-lengths, not none/)
  wrong('a negative position', { positions: ints(0, 1, 2, -1, 16) }, /position -1 is negative/)
  wrong('a slot outside the cache', { slots: ints(64, 65, 66, 160, 112) }, /slot 160 lies outside the cache/)
  wrong('a negative slot', { slots: ints(-1, 65, 66, 47, 112) }, /slot -1 lies outside the cache/)
  wrong('a slot twice', { slots: ints(64, 65, 66, 64, 112) }, /two tokens share a slot/)
  wrong(
    'a slot that its table does not name',
    { slots: ints(64, 65, 67, 47, 112) },
    /token 2 is for slot 67, its table says 66/,
  )
  wrong('starts that do not end at the tokens', { queryStarts: ints(0, 3, 4) }, /must lead from 0 to 5/)
  wrong('starts that do not begin at 0', { queryStarts: ints(1, 3, 5) }, /must lead from 0 to 5/)
  wrong('one start too many', { queryStarts: ints(0, 3, 4, 5) }, /must lead from 0 to 5 in 2 sequences/)
  wrong('an empty sequence', { queryStarts: ints(0, 0, 5) }, /sequence 0 has 0 tokens/)
  wrong('a context shorter than its tokens', { contextLengths: ints(2, 17) }, /sequence 0 has 3 tokens/)
  wrong('a context beyond its blocks', { contextLengths: ints(3, 33) }, /2 blocks of 16 and a context of 33/)
  wrong('a block outside the cache', { blockTables: ints(4, 0, 2, 10) }, /block 10 lies outside the cache/)
  wrong('tables of no common width', { blockTables: ints(4, 2, 7) }, /3 table entries do not divide by 2/)
  wrong('a row that is no token', { rows: ints(2, 5) }, /row 5 is not one of 5 tokens/)
  wrong('rows out of order', { rows: ints(4, 2) }, /rows do not ascend: 4 before 2/)
  wrong('too many rows', { rows: ints(0, 1, 2, 3, 4) }, /5 rows and the executor was made for 4/)
  wrong('rows without sampling records', { sampling: [GREEDY_ROW] }, /2 rows need as many sampling records, not 1/)
  wrong('half a copy', { copies: ints(1) }, /copies are pairs/)
  wrong('a copy from outside the cache', { copies: ints(10, 1) }, /block 10 lies outside the cache/)
  wrong('a copy onto a copied block', { copies: ints(0, 1, 1, 3) }, /block 1 is source and target/)
  wrong('two copies onto one block', { copies: ints(0, 3, 1, 3) }, /target of two copies/)
  wrong('a token outside the vocabulary', { ids: ints(1, 2, 61, 9, 8) }, /token id 61 is not a row of a table of 61/)
  wrong('ids of the step before', { idsFrom: ints(-1, -1, 0, -1, -1) }, /does not run ahead/)
  wrong('a negative token', { ids: ints(1, 2, -2, 9, 8) }, /token id -2 is not a row/)
  wrong('a soft token without its row', { ids: ints(1, -1, 3, 9, 8) }, /softRows has no values, needs 120/)
  wrong('too few soft rows', { softRows: new Float32Array(24) }, /softRows has 24 values, needs 120/)
  wrong('hidden states of no token', { hiddenOf: ints(5) }, /hiddenOf names token 5/)
})

describe('loading', () => {
  test('reports elements read, up to their total', async () => {
    const seen: [number, number][] = []
    await startReference(program, weights, { onProgress: (done, total) => seen.push([done, total]) })
    const total = weightBytes(program) / 4
    assert.deepEqual(seen.at(-1), [total, total])
    assert.ok(seen.length > 5 && seen.every(([done], i) => i === 0 || done > seen[i - 1]![0]))
  })

  test('stops when it is aborted', async () => {
    const abort = new AbortController()
    let reads = 0
    const onProgress = () => {
      if (++reads === 3) abort.abort(new Error('enough'))
    }
    await assert.rejects(startReference(program, weights, { onProgress, signal: abort.signal }), /enough/)
    assert.equal(reads, 3)
  })

  test('finds a weight that cannot be read before it reads any', async () => {
    let elements = 0
    const broken: WeightReader = {
      async readRows(source, first, count) {
        const [part] = source.parts
        if (part?.kind === 'tensor' && part.tensor === 'layers.1.down.weight') throw new Error('not there')
        const values = await weights.readRows(source, first, count)
        elements += values.length
        return values
      },
    }
    await assert.rejects(startReference(program, broken), /not there/)
    assert.equal(elements, 0)
  })

  test('tells the bytes it holds', async () => {
    const { memory } = await startReference(program, weights, { blocks: 10, maxTokens: 8, maxRows: 4 })
    assert.equal(memory.weights, weightBytes(program))
    assert.equal(memory.cache, 10 * 16 * 2 * 2 * HIDDEN * 4)
    assert.equal(memory.activations, 8 * program.memory!.bytesPerToken + 4 * program.memory!.bytesPerRow)
  })

  test('refuses blocks of another size than the program’s', async () => {
    await assert.rejects(startReference(program, weights, { blockSize: 8 }), { code: 'program-invalid' })
  })

  test('refuses storage that it cannot emulate', async () => {
    const options = { code: 'storage-unsupported' }
    const stored = (types: object) => lower(spec, { ...REFERENCE_LOWERING, ...types })
    await assert.rejects(startReference(stored({ weightType: 'int4' }), weights), { ...options, message: /int4/ })
    await assert.rejects(startReference(stored({ cacheType: 'fp8' }), weights), { ...options, message: /fp8/ })
    await assert.rejects(startReference(stored({ activationType: 'bf16' }), weights), { ...options, message: /bf16/ })
  })
})

describe('16-bit storage', () => {
  const run = async (built: Program, reader = weights) =>
    (await (await startReference(built, reader)).step(right())).logits

  test('computes as if the weights had been rounded beforehand, vectors excepted', async () => {
    const rounded: WeightReader = {
      async readRows(source, first, count) {
        const values = await weights.readRows(source, first, count)
        const isVector = source.parts[0]!.shape.length === 1
        return isVector ? values : bf16ToFloat32(float32ToBf16(values))
      },
    }
    const stored = await run(optimize(lower(spec, { ...REFERENCE_LOWERING, weightType: 'bf16' })))
    assert.deepEqual(stored, await run(program, rounded))
    assert.notDeepEqual(stored, await run(program))
  })

  test('rounds keys, and values, as they enter the cache', async () => {
    const withCaches = async (keys: DataType, values: DataType) => {
      const buffers = new Map(program.buffers)
      for (const [name, buffer] of program.buffers) {
        if (buffer.kind === 'cache') buffers.set(name, { ...buffer, dtype: name.endsWith('.keys') ? keys : values })
      }
      return (await run({ ...program, buffers }))!
    }
    const exact = await withCaches('f32', 'f32')
    const distance = async (keys: DataType, values: DataType) => {
      const logits = await withCaches(keys, values)
      return Math.max(...logits.map((value, i) => Math.abs(value - exact[i]!)))
    }
    for (const [coarse, fine] of [
      [await distance('bf16', 'f32'), await distance('f16', 'f32')],
      [await distance('f32', 'bf16'), await distance('f32', 'f16')],
    ] as const) {
      assert.ok(fine > 0 && coarse > 2 * fine && coarse < 0.1, `${coarse} ${fine}`)
    }
  })
})

test('a closed executor refuses steps', async () => {
  const executor = await startReference(program, weights)
  await executor.close()
  await assert.rejects(executor.step(right()), { code: 'executor-closed' })
})
