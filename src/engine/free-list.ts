import { invariant } from './invariant.js'

const NOT_LISTED = -2
const END = -1

/**
 * The free blocks, least recently freed first, as a doubly linked list over block numbers: every change costs O(1).
 * Taking the oldest keeps what was freed last intact for longest, and a block whose contents are wanted again can be
 * taken out of the middle: that is all that sharing of prefixes by content asks of it.
 */
export class FreeList {
  private readonly next: Int32Array
  private readonly previous: Int32Array
  private oldest = END
  private newest = END
  private count = 0

  constructor(blocks: number) {
    this.next = new Int32Array(blocks).fill(NOT_LISTED)
    this.previous = new Int32Array(blocks).fill(NOT_LISTED)
    for (let block = 0; block < blocks; block++) this.add(block)
  }

  get size(): number {
    return this.count
  }

  has(block: number): boolean {
    return this.next[block] !== NOT_LISTED
  }

  add(block: number): void {
    invariant(!this.has(block), `block ${block} is freed once`)
    this.next[block] = END
    this.previous[block] = this.newest
    if (this.newest === END) this.oldest = block
    else this.next[this.newest] = block
    this.newest = block
    this.count++
  }

  remove(block: number): void {
    invariant(this.has(block), `block ${block} is free`)
    const next = this.next[block]!
    const previous = this.previous[block]!
    if (previous === END) this.oldest = next
    else this.next[previous] = next
    if (next === END) this.newest = previous
    else this.previous[next] = previous
    this.next[block] = NOT_LISTED
    this.count--
  }

  takeOldest(): number {
    const block = this.oldest
    invariant(block !== END, 'a block is free')
    this.remove(block)
    return block
  }
}
