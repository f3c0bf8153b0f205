import { BlockTable } from './block-table.js'

export interface SequenceOptions {
  /** Tokens that are ever computed: the last of an output is chosen, but nothing comes after it. */
  readonly limit: number
  /** See `Sequence.dependsOnHost`. */
  readonly dependsOnHost: boolean
}

/**
 * A line of tokens and its place in the cache. The host knows the ids of the first `known` tokens; the steps under way
 * choose `expected` more, whose ids only the device knows until their results are accepted; the executor has been handed
 * the first `scheduled` of all these, and the rest is the work that waits.
 */
export class Sequence {
  table = new BlockTable()
  known: number
  expected = 0
  scheduled = 0
  /** Which row of the step built last chooses the token that is expected last; means nothing while none is. */
  expectedFrom = -1
  /** It wants no more tokens and holds no blocks. */
  retired = false
  readonly limit: number
  /**
   * Whether the host must know every token before it can ask for the next: then the sequence takes no part in a step
   * while a token of it is expected. May change whenever none is.
   */
  dependsOnHost: boolean
  private buffer: Int32Array

  /** Copies the tokens. */
  constructor(tokens: Int32Array, { limit, dependsOnHost }: SequenceOptions) {
    this.known = tokens.length
    this.limit = limit
    this.dependsOnHost = dependsOnHost
    this.buffer = new Int32Array(tokens.length + 32)
    this.buffer.set(tokens)
  }

  /** Tokens that may be in the cache after the next step. */
  get reach(): number {
    if (this.dependsOnHost && this.expected > 0) return this.scheduled
    return Math.min(this.known + this.expected, this.limit)
  }

  /** Tokens that the next step can compute. */
  get pending(): number {
    return this.reach - this.scheduled
  }

  /** A view of all known tokens; it stays as it is when more are appended. */
  get tokens(): Int32Array {
    return this.buffer.subarray(0, this.known)
  }

  /** -1 for one whose id only the device knows. */
  tokenAt(position: number): number {
    return position < this.known ? this.buffer[position]! : -1
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
