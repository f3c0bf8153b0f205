/** Where a sequence's tokens lie: token i in block `blocks[floor(i / blockSize)]`. Only a BlockManager changes it. */
export class BlockTable {
  /** Grown in place; the first `length` entries count. */
  blocks = new Int32Array(8)
  length = 0
  /** Raised by every change but an append, so that a copy knows when adding new entries is not enough. */
  revision = 0

  get last(): number {
    return this.blocks[this.length - 1]!
  }

  push(block: number): void {
    if (this.length === this.blocks.length) {
      const larger = new Int32Array(2 * this.length)
      larger.set(this.blocks)
      this.blocks = larger
    }
    this.blocks[this.length++] = block
  }

  pop(): number {
    this.revision++
    return this.blocks[--this.length]!
  }

  replace(index: number, block: number): void {
    this.revision++
    this.blocks[index] = block
  }
}
