import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import type { CpuOptions } from '../../../src/backend/cpu/executor.js'
import type { Executor } from '../../../src/backend/executor.js'
import { lower } from '../../../src/model/lower.js'
import type { DataType } from '../../../src/program/buffer.js'
import { weightBytes } from '../../../src/program/cost.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import type { StepInputs } from '../../../src/program/step.js'
import type { WeightReader } from '../../../src/program/weight-source.js'
import { errorOf } from '../../support/operation-cases.js'
import { randomModel } from '../../support/random-model.js'
import { startReference } from '../../support/run-reference.js'
import { stepInputs } from '../../support/steps.js'
import { library, skip } from './support/levels.js'

const FORM = { rotary: { dim: 6, pairs: 'half', dynamicFrom: 64 }, learnedPositions: { offset: 0 } } as const
const { spec, weights } = randomModel(FORM)
const types = { blockSize: 16, weightType: 'f32', cacheType: 'f32', activationType: 'f32' } as const
const program = optimize(lower(spec, types))
const HIDDEN = 24
const VOCABULARY = 61

const PARTS = [
  { ids: [1, 2, 3], cached: 0, blocks: [4] },
  { ids: [9, 8], cached: 15, blocks: [2, 7] },
]
const right = () => stepInputs(PARTS, { blockSize: 16 })

const ROOM = { blocks: 64, blockSize: 16, maxTokens: 128, maxRows: 128, threads: 2 }
const start = (options: Partial<CpuOptions> = {}): Promise<Executor> => {
  const full: CpuOptions = { program, weights, ...ROOM, poison: true, ...options }
  return cpuBackend.createExecutor(full)
}

async function withExecutor<T>(use: (executor: Executor) => Promise<T>, options: Partial<CpuOptions> = {}): Promise<T> {
  const executor = await start(options)
  try {
    return await use(executor)
  } finally {
    await executor.close()
  }
}

describe('outputs', { skip }, () => {
  test('are those of the reference backend', async () => {
    const expected = await (await startReference(program, weights)).step(right())
    await withExecutor(async (executor) => {
      const { logits, hidden, sampled } = await executor.step(right())
      assert.ok(errorOf(logits, expected.logits!) < 1e-5)
      assert.ok(errorOf(hidden, expected.hidden!) < 1e-5)
      assert.deepEqual(
        sampled.map(({ token }) => token),
        expected.sampled.map(({ token }) => token),
      )
    })
  })

  test('a row may be wanted several times', () =>
    withExecutor(async (executor) => {
      const { logits, sampled } = await executor.step(stepInputs(PARTS, { blockSize: 16, rows: [2, 2, 4] }))
      assert.equal(sampled.length, 3)
      assert.deepEqual(logits!.slice(0, VOCABULARY), logits!.slice(VOCABULARY, 2 * VOCABULARY))
    }))

  test('hidden states come for the tokens asked for, logits only if asked for', () =>
    withExecutor(async (executor) => {
      const { hidden: all } = await executor.step(right())
      const { hidden, logits } = await executor.step({ ...right(), hiddenOf: Int32Array.of(4, 0), wantLogits: false })
      assert.equal(logits, undefined)
      assert.deepEqual(hidden!.slice(0, HIDDEN), all!.slice(4 * HIDDEN))
      assert.deepEqual(hidden!.slice(HIDDEN), all!.slice(0, HIDDEN))
      const neither = await executor.step({ ...right(), hiddenOf: undefined, wantLogits: false })
      assert.equal(neither.hidden, undefined)
    }))

  test('what a step returned is not overwritten by the next', () =>
    withExecutor(async (executor) => {
      const first = await executor.step(right())
      const copies = [first.logits!.slice(), first.hidden!.slice()]
      await executor.step(stepInputs([{ ids: [40, 41, 42, 43], cached: 0, blocks: [0] }], { blockSize: 16 }))
      assert.deepEqual([first.logits, first.hidden], copies)
    }))

  test('rows without logits may be asked for nothing', () =>
    withExecutor(async (executor) => {
      assert.deepEqual((await executor.step(stepInputs(PARTS, { blockSize: 16, rows: [] }))).sampled, [])
    }))

  test('tables wider than the longest context are read as if they ended there', () =>
    withExecutor(async (executor) => {
      const narrow = await executor.step(right())
      const inputs = right()
      const wide = Int32Array.from({ length: 2 * 30 }, (_, i) =>
        i % 30 < 2 ? inputs.blockTables[Math.floor(i / 30) * 2 + (i % 30)]! : 0,
      )
      assert.deepEqual(await executor.step({ ...inputs, blockTables: wide }), narrow)
    }))
})

describe('a step that cannot be right is refused, and the executor goes on', { skip }, () => {
  const wrong = (name: string, change: Partial<StepInputs>, message: RegExp) =>
    test(name, () =>
      withExecutor(
        async (executor) => {
          const before = await executor.step(right())
          await assert.rejects(executor.step({ ...right(), ...change }), { code: 'step-invalid', message })
          assert.deepEqual(await executor.step(right()), before)
        },
        { blocks: 10, maxTokens: 8, maxRows: 4 },
      ),
    )
  const ints = (...values: number[]) => Int32Array.from(values)
  wrong('a slot outside the cache', { slots: ints(64, 65, 66, 160, 112) }, /slot 160 lies outside the cache/)
  wrong('a block outside the cache', { blockTables: ints(4, 0, 2, 10) }, /block 10 lies outside the cache/)
  wrong('too many rows', { rows: ints(0, 1, 2, 3, 4) }, /5 rows and the executor was made for 4/)
  wrong('a token outside the vocabulary', { ids: ints(1, 2, 61, 9, 8) }, /token id 61 is not a row of a table of 61/)
  wrong('ids of the step before', { idsFrom: ints(-1, -1, 0, -1, -1) }, /does not run ahead/)
  wrong('a negative token', { ids: ints(1, 2, -2, 9, 8) }, /token id -2 is not a row/)
  wrong('a soft token without its row', { ids: ints(1, -1, 3, 9, 8) }, /softRows has no values, needs 120/)
  wrong(
    'a position without a row',
    { positions: ints(0, 1, 256, 15, 16) },
    /position 256 is not a row of a table of 256/,
  )

  test('and a second step before the first has ended', () =>
    withExecutor(async (executor) => {
      const first = executor.step(right())
      await assert.rejects(executor.step(right()), { code: 'step-invalid', message: /has not ended/ })
      await first
    }))
})

describe('loading', { skip }, () => {
  test('reports elements read, up to their total', async () => {
    const seen: [number, number][] = []
    await withExecutor(async () => {}, { onProgress: (done, total) => seen.push([done, total]) })
    const total = weightBytes(program) / 4
    assert.deepEqual(seen.at(-1), [total, total])
    assert.ok(seen.length > 5 && seen.every(([done], i) => i === 0 || done > seen[i - 1]![0]))
  })

  test('reads pieces, of which two are open at most', async () => {
    const width = 300
    const wide = randomModel({
      layers: 1,
      hidden: width,
      heads: 1,
      kvHeads: 1,
      headDim: 20,
      inner: 4000,
      vocabulary: 9000,
    })
    let largest = 0
    let finished = 0
    let read = 0
    let open = 0
    const watched: WeightReader = {
      async readRows(source, first, count) {
        const values = await wide.weights.readRows(source, first, count)
        if (values.length > 0) open = Math.max(open, ++read - finished)
        largest = Math.max(largest, values.length)
        return values
      },
    }
    const wideProgram = optimize(lower(wide.spec, { ...types, weightType: 'int4' }))
    await withExecutor(async () => {}, { program: wideProgram, weights: watched, onProgress: () => finished++ })
    assert.equal(read, finished)
    assert.ok(largest <= 2 ** 20, `${largest} elements at once`)
    assert.ok(open <= 2, `${open} pieces at once`)
  })

  test('stops when it is aborted', async () => {
    const abort = new AbortController()
    let reads = 0
    const onProgress = () => {
      if (++reads === 3) abort.abort(new Error('enough'))
    }
    await assert.rejects(start({ onProgress, signal: abort.signal }), /enough/)
    assert.ok(reads <= 5)
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
    await assert.rejects(start({ weights: broken }), /not there/)
    assert.equal(elements, 0)
  })

  test('tells the bytes it holds', () =>
    withExecutor(
      async ({ memory }) => {
        // Heads of 6 are padded to 16 in the cache, weights to whole panels.
        assert.equal(memory.cache, 10 * 16 * 2 * 2 * 4 * 16 * 4)
        assert.ok(memory.weights >= weightBytes(program))
        assert.ok(memory.activations >= 8 * program.memory!.bytesPerToken + 4 * program.memory!.bytesPerRow)
      },
      { blocks: 10, maxTokens: 8, maxRows: 4 },
    ))

  test('refuses blocks that its kernels cannot read, or of another size than the program’s', async () => {
    await assert.rejects(start({ blockSize: 32 }), { code: 'program-invalid', message: /the executor 32/ })
    const odd = { program: lower(spec, { ...types, blockSize: 24 }), blockSize: 24 }
    await assert.rejects(start(odd), { code: 'program-invalid', message: /powers of two/ })
  })

  test('refuses storage that it does not offer', async () => {
    const stored = (changed: object) => ({ program: lower(spec, { ...types, ...changed }) })
    const refused = (type: DataType) => ({ code: 'storage-unsupported', message: new RegExp(type) })
    await assert.rejects(start(stored({ weightType: 'fp8' })), refused('fp8'))
    await assert.rejects(start(stored({ cacheType: 'int8' })), refused('int8'))
    await assert.rejects(start(stored({ activationType: 'bf16' })), refused('bf16'))
  })
})

/** Counts what is taken from the native library and given back to it, until the test ends. */
function watchLibrary() {
  const native = library!
  const taken = mock.method(native, 'allocate')
  const given = mock.method(native, 'free')
  const pools = mock.method(native, 'createPool')
  const ended = mock.method(native, 'destroyPool')
  const bytes = (calls: typeof taken | typeof given, at: number) => {
    return calls.mock.calls.reduce((sum, { arguments: values }) => sum + Number(values[at]), 0)
  }
  return {
    takenBytes: () => bytes(taken, 0),
    givenBytes: () => bytes(given, 1),
    pools: () => [pools.mock.callCount(), ended.mock.callCount()],
    stop: () => mock.restoreAll(),
  }
}

describe('what an executor takes it gives back', { skip }, () => {
  test('when it is closed, once', async () => {
    const watch = watchLibrary()
    const executor = await start()
    await executor.step(right())
    assert.ok(watch.takenBytes() > 0)
    await executor.close()
    await executor.close()
    assert.equal(watch.givenBytes(), watch.takenBytes())
    assert.deepEqual(watch.pools(), [1, 1])
    watch.stop()
  })

  test('when it cannot be made', async () => {
    const watch = watchLibrary()
    let reads = 0
    const broken: WeightReader = {
      async readRows(source, first, count) {
        if (count > 0 && ++reads === 4) throw new Error('unreadable')
        return weights.readRows(source, first, count)
      },
    }
    await assert.rejects(start({ weights: broken }), /unreadable/)
    assert.ok(watch.takenBytes() > 0)
    assert.equal(watch.givenBytes(), watch.takenBytes())
    assert.deepEqual(watch.pools(), [1, 1])
    watch.stop()
  })
})

describe('two models in one process', { skip }, () => {
  const other = randomModel({ norm: 'rms', layers: 1 }, 5)
  const otherProgram = optimize(lower(other.spec, types))

  test('share their threads and do not disturb each other', async () => {
    const watch = watchLibrary()
    const [one, two] = await Promise.all([start(), start({ program: otherProgram, weights: other.weights })])
    const alone = [await one.step(right()), await two.step(right())]
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await Promise.all([one.step(right()), two.step(right())]), alone)
    }
    assert.deepEqual(watch.pools(), [1, 0])
    await one.close()
    assert.deepEqual(await two.step(right()), alone[1])
    await two.close()
    assert.deepEqual(watch.pools(), [1, 1])
    watch.stop()
  })
})

test('the event loop turns while a step is computed', { skip }, async () => {
  const large = randomModel({ layers: 4, hidden: 512, heads: 8, kvHeads: 8, headDim: 64, inner: 2048, vocabulary: 900 })
  const largeProgram = optimize(lower(large.spec, types))
  await withExecutor(
    async (executor) => {
      const ids = Array.from({ length: 128 }, (_, i) => i)
      const inputs = stepInputs([{ ids, cached: 0, blocks: [0, 1, 2, 3, 4, 5, 6, 7] }], {
        blockSize: 16,
        want: 'hidden',
      })
      let ended = false
      const step = executor.step(inputs).then(() => {
        ended = true
      })
      // A call that blocked would have ended before the loop turns once.
      await setImmediate()
      assert.equal(ended, false)
      await step
    },
    { program: largeProgram, weights: large.weights },
  )
})

test('a failure of native code is the step’s, and says where', { skip }, () =>
  withExecutor(async (executor) => {
    const broken = mock.method(library!, 'run', async () => 3)
    await assert.rejects(executor.step(right()), { code: 'executor-failed', message: /out of memory/ })
    broken.mock.restore()
    await executor.step(right())
  }),
)

test('a closed executor refuses steps', { skip }, async () => {
  const executor = await start()
  await executor.close()
  await assert.rejects(executor.step(right()), { code: 'executor-closed' })
})

test('a profiled step gives what a step gives, and a time for each operation', { skip }, () =>
  withExecutor(async (executor) => {
    const { outputs, nanoseconds } = await executor.profile!(right())
    assert.deepEqual(outputs, await executor.step(right()))
    assert.equal(nanoseconds.length, program.operations.length)
    program.operations.forEach(({ kind }, i) => {
      assert.ok(nanoseconds[i]! >= 0 && Number.isFinite(nanoseconds[i]!), `${kind}: ${nanoseconds[i]}`)
      if (kind === 'linear') assert.ok(nanoseconds[i]! > 0, kind)
    })
  }),
)
