import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enterPool, leavePool } from '../../../src/backend/cpu/thread-pools.js'
import { atEveryLevel, library, skip } from './support/levels.js'

atEveryLevel('limits', () => {
  test('are measured for memory and for every storage', async () => {
    const pool = enterPool(library!, 2)
    try {
      const { readBytes, operations } = await pool.measureLimits()
      assert.deepEqual(Object.keys(operations), ['f32', 'bf16', 'f16', 'int8', 'int4'])
      for (const rate of [readBytes, ...Object.values(operations)]) assert.ok(Number.isFinite(rate) && rate > 0)
    } finally {
      leavePool(pool)
    }
  })
})

test('a storage that is none has no limit', { skip }, async () => {
  const pool = library!.createPool(1)
  assert.equal(await library!.measurePeak(pool, 99), 0)
  assert.equal(await library!.measurePeak(pool, -1), 0)
  library!.destroyPool(pool)
})
