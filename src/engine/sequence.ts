import { BlockTable } from './block-table.js'

/**
 * A line of tokens and its place in the cache. Three counts order its life, `scheduled <= known`: the executor has been
 * handed `scheduled` tokens, the host knows `known` of them, and the difference is the work that waits.
 */
export class Sequence {
  table = new BlockTable()
  scheduled = 0
  /** It wants no more tokens and holds no blocks. */
  retired = false
  known: number
  private buffer: Int32Array

  /** Copies the tokens. */
  constructor(tokens: Int32Array) {
    this.known = tokens.length
    this.buffer = new Int32Array(tokens.length + 32)
    this.buffer.set(tokens)
  }

  get pending(): number {
    return this.known - this.scheduled
  }

  /** A view of all known tokens; it stays as it is when more are appended. */
  get tokens(): Int32Array {
    return this.buffer.subarray(0, this.known)
  }

  tokenAt(position: number): number {
    return this.buffer[position]!
  }

  append(token: number): void {
    if (this.known === this.buffer.length) {
      const larger = new Int32Array(2 * this.known)
      larger.set(this.buffer)
      this.buffer = larger
    }
    this.buffer[this.known++] = token
  }
}
