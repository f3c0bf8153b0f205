import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Communicator } from '../../../src/parallel/communicator.js'
import { inProcessGroup } from '../../../src/parallel/communicator.js'
import type { Operation } from '../../../src/program/operation.js'
import { planMemory } from '../../../src/program/passes/plan-memory.js'
import { type Program, ProgramBuilder } from '../../../src/program/program.js'
import { type TensorPart, tensor, type WeightSource } from '../../../src/program/weight-source.js'
import { checkpointReader } from '../../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../../support/memory-checkpoint.js'
import { errorOf } from '../../support/operation-cases.js'
import { Random } from '../../support/random.js'
import { startReference } from '../../support/run-reference.js'
import { stepInputs } from '../../support/steps.js'

const HIDDEN = 12
const INNER = 20
const random = new Random(5)
const checkpoint = new MemoryCheckpoint()
checkpoint.add('table', [30, HIDDEN], random.floats(30 * HIDDEN))
checkpoint.add('up', [INNER, HIDDEN], random.floats(INNER * HIDDEN))
checkpoint.add('down', [HIDDEN, INNER], random.floats(HIDDEN * INNER))
const weights = checkpointReader(checkpoint)
const step = stepInputs([{ ids: [3, 1, 4, 1, 5], cached: 0, blocks: [0] }], { blockSize: 16, want: 'hidden' })

type Widths = Readonly<Record<string, number>>

/** The operations over [tokens, width] activations; `hidden` is the last one's result. */
function program(
  widths: Widths,
  sources: Readonly<Record<string, WeightSource>>,
  operations: readonly Operation[],
): Program {
  const b = new ProgramBuilder('rank')
  b.buffer({ name: 'ids', kind: 'input', dtype: 'i32', shape: ['tokens'] })
  for (const [name, width] of Object.entries(widths)) {
    b.buffer({ name, kind: 'activation', dtype: 'f32', shape: ['tokens', width] })
  }
  for (const [name, source] of Object.entries(sources)) {
    b.buffer({ name, kind: 'weight', dtype: 'f32', shape: source.parts[0]!.shape, source })
  }
  for (const op of operations) b.add(op)
  const last = Object.keys(widths).at(-1)!
  return planMemory(b.finish({ hidden: last, logits: last }))
}

const part = (fields: Omit<TensorPart, 'kind' | 'transposed'>): WeightSource => ({
  parts: [{ kind: 'tensor', transposed: false, ...fields }],
})
const table = tensor('table', [30, HIDDEN])
const embed: Operation = { kind: 'embed', ids: 'ids', table: 'table', out: 'x' }
const product = (x: string, weight: string, out: string, activation?: 'silu'): Operation => ({
  kind: 'linear',
  ...{ x, weight, out, ...(activation && { activation }) },
})

const whole = program(
  { x: HIDDEN, raised: INNER, out: HIDDEN },
  { table, up: tensor('up', [INNER, HIDDEN]), down: tensor('down', [HIDDEN, INNER]) },
  [embed, product('x', 'up', 'raised', 'silu'), product('raised', 'down', 'out')],
)

async function runRanks(programs: readonly Program[], groups: readonly object[]): Promise<Float32Array[]> {
  const executors = await Promise.all(programs.map((p, rank) => startReference(p, weights, groups[rank])))
  const outputs = await Promise.all(executors.map((executor) => executor.step(step)))
  return outputs.map(({ hidden }) => hidden!)
}

const tensorGroups = (ranks: readonly Communicator[]) => ranks.map((tensorGroup) => ({ tensorGroup }))
const stageGroups = (ranks: readonly Communicator[]) => ranks.map((stageGroup) => ({ stageGroup }))

describe('tensor parallelism', () => {
  const half = (rank: number) => {
    const length = INNER / 2
    const rows = { start: rank * length, length, stride: length, repeat: 1 }
    return {
      up: part({ tensor: 'up', shape: [length, HIDDEN], rows }),
      down: part({ tensor: 'down', shape: [HIDDEN, length], columns: { start: rank * length, length } }),
    }
  }

  test('a product split by columns, then by rows, and added up equals the whole one', async () => {
    const programs = [0, 1].map((rank) =>
      program({ x: HIDDEN, raised: INNER / 2, partial: HIDDEN, out: HIDDEN }, { table, ...half(rank) }, [
        embed,
        product('x', 'up', 'raised', 'silu'),
        product('raised', 'down', 'partial'),
        { kind: 'all-reduce', x: 'partial', out: 'out' },
      ]),
    )
    const [expected] = await runRanks([whole], [{}])
    const [first, second] = await runRanks(programs, tensorGroups(inProcessGroup(2)))
    assert.deepEqual(first, second)
    assert.ok(errorOf(first, expected!) < 1e-6)
  })

  test('columns gathered from ranks stand side by side in rank order', async () => {
    const programs = [0, 1].map((rank) =>
      program(
        { x: HIDDEN, part: INNER / 2, raised: INNER, out: HIDDEN },
        { table, up: half(rank).up, down: tensor('down', [HIDDEN, INNER]) },
        [
          embed,
          product('x', 'up', 'part', 'silu'),
          { kind: 'all-gather', x: 'part', out: 'raised' },
          product('raised', 'down', 'out'),
        ],
      ),
    )
    const expected = await runRanks([whole], [{}])
    const both = await runRanks(programs, tensorGroups(inProcessGroup(2)))
    assert.deepEqual(both, [...expected, ...expected])
  })

  test('three ranks add in rank order', async () => {
    const p = program({ x: HIDDEN, out: HIDDEN }, { table }, [embed, { kind: 'all-reduce', x: 'x', out: 'out' }])
    const [alone] = await runRanks([p], [{}])
    const sums = await runRanks([p, p, p], tensorGroups(inProcessGroup(3)))
    for (const sum of sums)
      assert.deepEqual(
        sum,
        alone!.map((value) => Math.fround(Math.fround(value + value) + value)),
      )
  })
})

test('two pipeline stages equal the whole program', async () => {
  const stages = [
    program({ x: HIDDEN, raised: INNER }, { table, up: tensor('up', [INNER, HIDDEN]) }, [
      embed,
      product('x', 'up', 'raised', 'silu'),
      { kind: 'send', x: 'raised', to: 1 },
    ]),
    program({ raised: INNER, out: HIDDEN }, { down: tensor('down', [HIDDEN, INNER]) }, [
      { kind: 'receive', from: 0, out: 'raised' },
      product('raised', 'down', 'out'),
    ]),
  ]
  const [expected] = await runRanks([whole], [{}])
  const [, last] = await runRanks(stages, stageGroups(inProcessGroup(2)))
  assert.deepEqual(last, expected)
})

test('a step that begins before the last has ended is refused', async () => {
  const p = program({ x: HIDDEN, out: HIDDEN }, { table }, [embed, { kind: 'all-reduce', x: 'x', out: 'out' }])
  const groups = tensorGroups(inProcessGroup(2))
  const [one, other] = await Promise.all(groups.map((group) => startReference(p, weights, group)))
  const first = one!.step(step)
  await assert.rejects(one!.step(step), { code: 'step-invalid', message: /has not ended/ })
  const [a, b] = await Promise.all([first, other!.step(step)])
  assert.deepEqual(a.hidden, b.hidden)
})

test('a rank that fails does not leave the others waiting', async () => {
  const p = program({ x: HIDDEN, out: HIDDEN }, { table }, [embed, { kind: 'all-reduce', x: 'x', out: 'out' }])
  const groups = tensorGroups(inProcessGroup(2))
  const [good, bad] = await Promise.all(groups.map((group) => startReference(p, weights, group)))
  const waiting = good!.step(step)
  await assert.rejects(bad!.step({ ...step, ids: Int32Array.of(1, 2, 3, 4, 30) }), { code: 'step-invalid' })
  await assert.rejects(waiting, { code: 'group-closed' })
})
