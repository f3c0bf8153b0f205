import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockManager } from '../../src/engine/block-manager.js'
import { Output } from '../../src/engine/output.js'
import { Plan } from '../../src/engine/plan.js'
import { Request } from '../../src/engine/request.js'
import { DEFAULT_SAMPLING } from '../../src/engine/sampling-parameters.js'
import { SessionCache } from '../../src/engine/session-cache.js'
import { StepBuilder } from '../../src/engine/step-builder.js'

const SHAPE = {
  ...{
    maxTokens: 64,
    maxSequences: 4,
    maxRows: 4,
    blockSize: 2,
    tableWidth: 8,
    embeddingWidth: 1,
    rotaryLengths: true,
  },
}

test('block tables that are only brought up to date are whole, with zeros behind them', () => {
  const moves = fc.array(
    fc.record({ order: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 1, maxLength: 4 }), cut: fc.nat(6) }),
  )
  fc.assert(
    fc.property(moves, (steps) => {
      const blocks = new BlockManager(64, 2)
      const builder = new StepBuilder(SHAPE)
      const all = Array.from({ length: 5 }, () => request(blocks))
      for (const { order, cut } of steps) {
        const plan = new Plan(64, 4)
        for (const i of order) {
          const [sequence] = all[i]!.decoding.sequences
          // Now and then a sequence loses blocks or is preempted.
          if (cut < 3) {
            sequence!.scheduled = Math.min(cut, sequence!.scheduled)
            blocks.truncate(sequence!.table, sequence!.scheduled)
          }
          blocks.reserve(sequence!.table, sequence!.scheduled, sequence!.scheduled + 1, [])
          plan.add(all[i]!, sequence!, 1)
        }
        const inputs = builder.build(plan)
        for (const [row, i] of order.entries()) {
          const { table } = all[i]!.decoding.sequences[0]!
          const expected = [...table.blocks.subarray(0, table.length), ...Array(8 - table.length).fill(0)]
          assert.deepEqual([...inputs.blockTables.subarray(row * 8, row * 8 + 8)], expected)
        }
      }
    }),
  )
})

function request(blocks: BlockManager): Request {
  const sketch = { id: 'r', prompt: Array(200).fill(1), parameters: DEFAULT_SAMPLING }
  const output = new Output('r', 200, 1, () => {})
  return new Request(sketch, 16, 1, output, blocks, new SessionCache(blocks))
}
