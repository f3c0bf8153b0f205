import { BlockTable } from './block-table.js'
import { FreeList } from './free-list.js'
import { invariant } from './invariant.js'

/**
 * Who holds which block of the K/V cache. A block belongs to as many tables as its reference count says; with more than
 * one it is read-only, and whoever must write into it first gets a copy of it.
 *
 * A block is a place, not a sequence's property: tables refer to blocks, blocks know nobody. An index from contents to
 * blocks can therefore be laid beside this class: it would hand `fork` a table of blocks that it found.
 */
export class BlockManager {
  private readonly counts: Int32Array
  private readonly freeBlocks: FreeList

  constructor(
    readonly blocks: number,
    readonly blockSize: number,
  ) {
    this.counts = new Int32Array(blocks)
    this.freeBlocks = new FreeList(blocks)
  }

  get free(): number {
    return this.freeBlocks.size
  }

  /** Tables that hold the block. */
  references(block: number): number {
    return this.counts[block]!
  }

  /** Blocks that so many tokens fill. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockSize)
  }

  /** New blocks that the table needs to hold so many tokens. */
  missing(table: BlockTable, tokens: number): number {
    return Math.max(0, this.blocksFor(tokens) - table.length)
  }

  /** The block that must be copied before the token at `position` may be written; -1 if none. */
  sharedAt(table: BlockTable, position: number): number {
    const index = Math.floor(position / this.blockSize)
    if (index >= table.length) return -1
    const block = table.blocks[index]!
    return this.counts[block]! > 1 ? block : -1
  }

  /**
   * Makes room in the table for tokens `from` (the next to be written) to `to`, so that only this table holds the
   * blocks they lie in. Pairs of blocks to copy before the write, from and to, are appended to `copies`.
   */
  reserve(table: BlockTable, from: number, to: number, copies: number[]): void {
    if (from === to) return
    const shared = this.sharedAt(table, from)
    if (shared >= 0) {
      const own = this.allocate()
      copies.push(shared, own)
      table.replace(Math.floor(from / this.blockSize), own)
      this.release(shared)
    }
    while (table.length * this.blockSize < to) table.push(this.allocate())
    invariant(this.counts[table.last] === 1, 'blocks behind the one first written are not shared')
  }

  /** A second table for the first `tokens` tokens; it shares their blocks. */
  fork(table: BlockTable, tokens: number): BlockTable {
    invariant(this.blocksFor(tokens) <= table.length, 'a fork holds no more tokens than its source')
    const fork = new BlockTable()
    for (let i = 0; i < this.blocksFor(tokens); i++) {
      const block = table.blocks[i]!
      this.counts[block]!++
      fork.push(block)
    }
    return fork
  }

  /** Gives back the blocks behind the first `tokens` tokens. */
  truncate(table: BlockTable, tokens: number): void {
    const kept = this.blocksFor(tokens)
    while (table.length > kept) this.release(table.pop())
  }

  private allocate(): number {
    const block = this.freeBlocks.takeOldest()
    this.counts[block] = 1
    return block
  }

  private release(block: number): void {
    invariant(this.counts[block]! > 0, `block ${block} is held when it is released`)
    if (--this.counts[block]! === 0) this.freeBlocks.add(block)
  }
}
