import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Communicator, inProcessGroup, singleRank } from '../../src/parallel/communicator.js'

const floats = (...values: number[]) => Float32Array.from(values)
const onAll = <T>(ranks: readonly Communicator[], call: (rank: Communicator) => Promise<T>) =>
  Promise.all(ranks.map(call))

describe('all-reduce', () => {
  test('adds in rank order, so that all ranks have the same bits', async () => {
    // (2^24 + 1) + 1 loses both ones in float32, 2^24 + (1 + 1) would not.
    const values = [floats(2 ** 24, 1), floats(1, 10), floats(1, 100)]
    const sums = await onAll(inProcessGroup(3), (rank) => rank.allReduce(values[rank.rank]!))
    for (const sum of sums) assert.deepEqual(sum, floats(2 ** 24, 111))
    assert.deepEqual(values[0], floats(2 ** 24, 1))
  })

  test('does not depend on who comes first', async () => {
    const ranks = inProcessGroup(3)
    const values = [floats(2 ** 24), floats(1), floats(1)]
    const sums = await onAll([ranks[2]!, ranks[1]!, ranks[0]!], (rank) => rank.allReduce(values[rank.rank]!))
    assert.deepEqual(sums, [floats(2 ** 24), floats(2 ** 24), floats(2 ** 24)])
  })

  test('gives each rank an array of its own', async () => {
    const [a, b] = await onAll(inProcessGroup(2), (rank) => rank.allReduce(floats(1)))
    a![0] = 7
    assert.deepEqual(b, floats(2))
  })

  test('keeps rounds apart when one rank is ahead', async () => {
    const ranks = inProcessGroup(2)
    const ahead = [ranks[0]!.allReduce(floats(1)), ranks[0]!.allReduce(floats(10))]
    const behind = [ranks[1]!.allReduce(floats(2)), ranks[1]!.allReduce(floats(20))]
    assert.deepEqual(await Promise.all(ahead), [floats(3), floats(30)])
    assert.deepEqual(await Promise.all(behind), [floats(3), floats(30)])
  })

  test('takes the values as they are when it is called', async () => {
    const ranks = inProcessGroup(2)
    const values = floats(1)
    const first = ranks[0]!.allReduce(values)
    values[0] = 99
    const [sum] = await Promise.all([first, ranks[1]!.allReduce(floats(2))])
    assert.deepEqual(sum, floats(3))
  })

  test('is the identity for one rank', async () => {
    const alone = singleRank()
    assert.equal(alone.size, 1)
    assert.deepEqual(await alone.allReduce(floats(1, 2)), floats(1, 2))
    assert.deepEqual(await alone.allGather(floats(3)), [floats(3)])
  })
})

test('all-gather gives every rank’s values, by rank', async () => {
  const gathered = await onAll(inProcessGroup(3), (rank) => rank.allGather(floats(rank.rank, 5)))
  for (const parts of gathered) assert.deepEqual(parts, [floats(0, 5), floats(1, 5), floats(2, 5)])
})

describe('send and receive', () => {
  test('hand values over in order, whoever comes first', async () => {
    const [a, b] = inProcessGroup(2) as [Communicator, Communicator]
    const early = b.receive(0, 1)
    const values = floats(1)
    await a.send(1, values)
    values[0] = 99
    await a.send(1, floats(2))
    await a.send(1, floats(3))
    assert.deepEqual([await early, await b.receive(0, 1), await b.receive(0, 1)], [floats(1), floats(2), floats(3)])
  })

  test('keep pairs of ranks apart', async () => {
    const [a, b, c] = inProcessGroup(3) as [Communicator, Communicator, Communicator]
    await b.send(2, floats(1))
    await a.send(2, floats(0))
    assert.deepEqual(await c.receive(0, 1), floats(0))
    assert.deepEqual(await c.receive(1, 1), floats(1))
  })

  test('refuse a rank outside the group, and oneself', async () => {
    const [a] = inProcessGroup(2) as [Communicator]
    for (const peer of [-1, 0, 2]) await assert.rejects(a.send(peer, floats(1)), { code: 'group-mismatch' })
    await assert.rejects(a.receive(2, 1), { code: 'group-mismatch' })
  })

  test('refuse values of another length than expected', async () => {
    const [a, b] = inProcessGroup(2) as [Communicator, Communicator]
    await a.send(1, floats(1, 2))
    await assert.rejects(b.receive(0, 3), {
      code: 'group-mismatch',
      message: /expects 3 values from rank 0, which sent 2/,
    })
  })
})

describe('a broken group rejects instead of waiting for ever', () => {
  test('when ranks call different things', async () => {
    const [a, b] = inProcessGroup(2) as [Communicator, Communicator]
    const first = a.allReduce(floats(1))
    const second = b.allGather(floats(1))
    await assert.rejects(first, { code: 'group-mismatch' })
    await assert.rejects(second, { code: 'group-mismatch', message: /rank 1 calls an all-gather of 1 values/ })
    await assert.rejects(a.allReduce(floats(1)), { code: 'group-closed' })
  })

  test('when ranks bring different lengths', async () => {
    const [a, b] = inProcessGroup(2) as [Communicator, Communicator]
    const first = a.allReduce(floats(1))
    await assert.rejects(b.allReduce(floats(1, 2)), { code: 'group-mismatch' })
    await assert.rejects(first, { code: 'group-mismatch' })
  })

  test('when a rank closes', async () => {
    const [a, b, c] = inProcessGroup(3) as [Communicator, Communicator, Communicator]
    const waiting = [a.allReduce(floats(1)), b.receive(2, 1)]
    c.close()
    for (const call of waiting) await assert.rejects(call, { code: 'group-closed' })
    await assert.rejects(b.send(0, floats(1)), { code: 'group-closed' })
  })
})
