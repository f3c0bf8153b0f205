import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import type { ExecutorOptions } from '../../../src/backend/executor.js'
import { inProcessGroup } from '../../../src/parallel/communicator.js'
import type { Operation } from '../../../src/program/operation.js'
import { type Program, ProgramBuilder } from '../../../src/program/program.js'
import { tensor } from '../../../src/program/weight-source.js'
import { checkpointReader } from '../../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../../support/memory-checkpoint.js'
import { Random } from '../../support/random.js'
import { stepInputs } from '../../support/steps.js'
import { skip } from './support/levels.js'

const HIDDEN = 12
const ENTRIES = 30
const checkpoint = new MemoryCheckpoint()
const values = new Random(5).floats(ENTRIES * HIDDEN)
checkpoint.add('table', [ENTRIES, HIDDEN], values)
const IDS = [3, 1, 4, 1, 5]
const step = stepInputs([{ ids: IDS, cached: 0, blocks: [0] }], { blockSize: 16, want: 'hidden' })
const embedded = Float32Array.from(IDS.flatMap((id) => [...values.subarray(id * HIDDEN, (id + 1) * HIDDEN)]))

/** Operations over activations [tokens, width], the last of which is read. */
function program(widths: Readonly<Record<string, number>>, operations: readonly Operation[]): Program {
  const b = new ProgramBuilder('rank')
  b.buffer({ name: 'ids', kind: 'input', dtype: 'i32', shape: ['tokens'] })
  b.buffer({
    name: 'table',
    kind: 'weight',
    dtype: 'f32',
    shape: [ENTRIES, HIDDEN],
    source: tensor('table', [ENTRIES, HIDDEN]),
  })
  for (const [name, width] of Object.entries(widths)) {
    b.buffer({ name, kind: 'activation', dtype: 'f32', shape: ['tokens', width] })
  }
  for (const op of operations) b.add(op)
  const last = Object.keys(widths).at(-1)!
  return b.finish({ hidden: last, logits: last })
}

async function run(programs: readonly Program[], groups: readonly Partial<ExecutorOptions>[]): Promise<Float32Array[]> {
  const room = { blocks: 4, blockSize: 16, maxTokens: 16, maxRows: 16, threads: 2 }
  const weights = checkpointReader(checkpoint)
  const executors = await Promise.all(
    programs.map((p, rank) => cpuBackend.createExecutor({ program: p, weights, ...room, ...groups[rank] })),
  )
  const outputs = await Promise.all(executors.map((executor) => executor.step(step)))
  for (const executor of executors) await executor.close()
  return outputs.map(({ hidden }) => hidden!)
}

const embed: Operation = { kind: 'embed', ids: 'ids', table: 'table', out: 'x' }
const double = (x: string, out: string): Operation => ({ kind: 'add', x, y: x, out })

test('ranks add up, in the middle of a step', { skip }, async () => {
  const p = program({ x: HIDDEN, sum: HIDDEN, out: HIDDEN }, [
    embed,
    { kind: 'all-reduce', x: 'x', out: 'sum' },
    double('sum', 'out'),
  ])
  const groups = inProcessGroup(3).map((tensorGroup) => ({ tensorGroup }))
  const expected = embedded.map((value) => 2 * Math.fround(Math.fround(value + value) + value))
  for (const out of await run([p, p, p], groups)) assert.deepEqual(out, expected)
})

test('columns gathered from ranks stand side by side in rank order', { skip }, async () => {
  const gather: Operation = { kind: 'all-gather', x: 'y', out: 'out' }
  const widths = { x: HIDDEN, y: HIDDEN, out: 2 * HIDDEN }
  const summed: Operation = { kind: 'norm', norm: 'rms', epsilon: 1, x: 'x', adds: ['x'], sum: 'y', out: 'unused' }
  const first = program(widths, [embed, double('x', 'y'), gather])
  const second = program({ x: HIDDEN, y: HIDDEN, unused: HIDDEN, out: 2 * HIDDEN }, [embed, summed, gather])
  const groups = inProcessGroup(2).map((tensorGroup) => ({ tensorGroup }))
  const expected = Float32Array.from({ length: 2 * embedded.length }, (_, i) => {
    const [token, column] = [Math.floor(i / (2 * HIDDEN)), i % HIDDEN]
    return 2 * embedded[token * HIDDEN + column]!
  })
  for (const out of await run([first, second], groups)) assert.deepEqual(out, expected)
})

test('a pipeline’s second stage goes on with what the first sent', { skip }, async () => {
  const stages = [
    program({ x: HIDDEN, y: HIDDEN }, [embed, double('x', 'y'), { kind: 'send', x: 'y', to: 1 }]),
    program({ y: HIDDEN, out: HIDDEN }, [{ kind: 'receive', from: 0, out: 'y' }, double('y', 'out')]),
  ]
  const groups = inProcessGroup(2).map((stageGroup) => ({ stageGroup }))
  const [, last] = await run(stages, groups)
  assert.deepEqual(
    last,
    embedded.map((value) => 4 * value),
  )
})

test('a rank that fails does not leave the others waiting', { skip }, async () => {
  const p = program({ x: HIDDEN, out: HIDDEN }, [embed, { kind: 'all-reduce', x: 'x', out: 'out' }])
  const room = { blocks: 4, blockSize: 16, maxTokens: 16, maxRows: 16, threads: 2 }
  const [good, bad] = await Promise.all(
    inProcessGroup(2).map((tensorGroup) =>
      cpuBackend.createExecutor({ program: p, weights: checkpointReader(checkpoint), ...room, tensorGroup }),
    ),
  )
  const waiting = good!.step(step)
  await assert.rejects(bad!.step({ ...step, ids: Int32Array.of(1, 2, 3, 4, 30) }), { code: 'step-invalid' })
  await assert.rejects(waiting, { code: 'group-closed' })
  await good!.close()
  await bad!.close()
})
