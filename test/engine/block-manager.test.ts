import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockManager } from '../../src/engine/block-manager.js'
import { BlockTable } from '../../src/engine/block-table.js'
import { isWarplineError } from '../../src/errors.js'

/** A cache that is written through tables, and what each table's owner believes to have written. */
class Model {
  readonly owners: { table: BlockTable; tokens: number[] }[] = []
  private readonly cache = new Map<number, number>()
  private nextToken = 0

  constructor(readonly manager: BlockManager) {}

  append(owner: { table: BlockTable; tokens: number[] }, count: number): void {
    const { manager } = this
    const { table, tokens } = owner
    const shared = manager.sharedAt(table, tokens.length) >= 0 ? 1 : 0
    if (manager.missing(table, tokens.length + count) + shared > manager.free) return
    const free = manager.free
    const demand = manager.missing(table, tokens.length + count) + (count > 0 ? shared : 0)
    const copies: number[] = []
    manager.reserve(table, tokens.length, tokens.length + count, copies)
    assert.equal(manager.free, free - demand, 'a reservation takes what was foretold')
    for (let i = 0; i < copies.length; i += 2) {
      for (let offset = 0; offset < manager.blockSize; offset++) {
        const value = this.cache.get(copies[i]! * manager.blockSize + offset)
        this.cache.set(copies[i + 1]! * manager.blockSize + offset, value ?? -1)
      }
    }
    for (let i = 0; i < count; i++) {
      tokens.push(this.nextToken++)
      this.cache.set(this.slot(table, tokens.length - 1), tokens.at(-1)!)
      assert.equal(manager.references(table.blocks[Math.floor((tokens.length - 1) / manager.blockSize)]!), 1)
    }
  }

  check(): void {
    const held = new Map<number, number>()
    for (const { table, tokens } of this.owners) {
      assert.equal(table.length, this.manager.blocksFor(tokens.length))
      for (const block of table.blocks.subarray(0, table.length)) held.set(block, (held.get(block) ?? 0) + 1)
      for (const [position, token] of tokens.entries()) {
        assert.equal(this.cache.get(this.slot(table, position)), token, 'nobody else wrote there')
      }
    }
    for (let block = 0; block < this.manager.blocks; block++) {
      assert.equal(this.manager.references(block), held.get(block) ?? 0)
    }
    assert.equal(this.manager.free, this.manager.blocks - held.size)
  }

  private slot(table: BlockTable, position: number): number {
    const { blockSize } = this.manager
    return table.blocks[Math.floor(position / blockSize)]! * blockSize + (position % blockSize)
  }
}

type Action = {
  readonly what: 'open' | 'append' | 'fork' | 'truncate' | 'close'
  readonly who: number
  readonly count: number
}

const actions = fc.array(
  fc.record<Action>({
    what: fc.constantFrom('open', 'append', 'append', 'append', 'fork', 'fork', 'truncate', 'close'),
    who: fc.nat(20),
    count: fc.nat(12),
  }),
  { maxLength: 100, size: 'max' },
)

test('blocks are never lost, never owned twice by writers, and always add up', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 5 }), actions, (blocks, blockSize, list) => {
      const manager = new BlockManager(blocks, blockSize)
      const model = new Model(manager)
      for (const { what, who, count } of list) {
        const owner = model.owners[who % Math.max(1, model.owners.length)]
        if (what === 'open') model.owners.push({ table: new BlockTable(), tokens: [] })
        if (!owner) continue
        const tokens = Math.min(count, owner.tokens.length)
        if (what === 'append') model.append(owner, count)
        if (what === 'fork') {
          model.owners.push({ table: manager.fork(owner.table, tokens), tokens: owner.tokens.slice(0, tokens) })
        }
        if (what === 'truncate') {
          manager.truncate(owner.table, tokens)
          owner.tokens.length = tokens
        }
        if (what === 'close') {
          manager.truncate(owner.table, 0)
          model.owners.splice(model.owners.indexOf(owner), 1)
        }
        model.check()
      }
      for (const { table } of model.owners) manager.truncate(table, 0)
      assert.equal(manager.free, blocks)
    }),
    { numRuns: 300 },
  )
})

test('of the holders of a shared block all but the last copy it before they write', () => {
  const manager = new BlockManager(8, 4)
  const first = new BlockTable()
  manager.reserve(first, 0, 6, [])
  const tables = [first, manager.fork(first, 6), manager.fork(first, 6)]
  const copies = tables.map((table) => {
    const pairs: number[] = []
    manager.reserve(table, 6, 7, pairs)
    return pairs.length / 2
  })
  assert.deepEqual(copies, [1, 1, 0])
  assert.equal(manager.free, 8 - 4)
})

test('the block that was free longest is taken first', () => {
  const manager = new BlockManager(3, 1)
  const [a, b] = [new BlockTable(), new BlockTable()]
  manager.reserve(a, 0, 2, [])
  manager.reserve(b, 0, 1, [])
  const [first, second] = a.blocks
  manager.truncate(b, 0)
  manager.truncate(a, 0)
  const order = new BlockTable()
  manager.reserve(order, 0, 3, [])
  assert.deepEqual([...order.blocks.subarray(0, 3)], [2, second, first])
})

test('taking more blocks than there are is a defect that says so', () => {
  const manager = new BlockManager(1, 4)
  assert.throws(
    () => manager.reserve(new BlockTable(), 0, 5, []),
    (error) => isWarplineError(error) && error.code === 'engine-defect',
  )
})
