/**
 * The merge rules of byte-pair encoding as an open-addressing hash table over (left id, right id).
 * Typed arrays instead of a Map of joined strings: a lookup is the innermost step of encoding and costs nanoseconds here.
 */
export class MergeTable {
  readonly #mask: number
  readonly #left: Int32Array
  readonly #right: Int32Array
  readonly #rank: Int32Array
  readonly #result: Int32Array

  /**
   * `merges` holds left, right and result, rule after rule; an earlier one has precedence, and the first of two equal pairs
   * counts. Rules whose result is forbidden are left out.
   */
  constructor(merges: Int32Array, forbidden: ReadonlySet<number>) {
    const rules = merges.length / 3
    let capacity = 16
    while (capacity < 2 * rules) capacity *= 2
    this.#mask = capacity - 1
    this.#left = new Int32Array(capacity).fill(-1)
    this.#right = new Int32Array(capacity)
    this.#rank = new Int32Array(capacity)
    this.#result = new Int32Array(capacity)
    for (let rank = 0; rank < rules; rank++) {
      const [left, right, result] = [merges[3 * rank]!, merges[3 * rank + 1]!, merges[3 * rank + 2]!]
      if (forbidden.has(result)) continue
      const slot = this.#slotOf(left, right)
      if (this.#left[slot] !== -1) continue
      this.#left[slot] = left
      this.#right[slot] = right
      this.#rank[slot] = rank
      this.#result[slot] = result
    }
  }

  /** The rank of the rule that joins the two, or -1. */
  rank(left: number, right: number): number {
    const slot = this.#slotOf(left, right)
    return this.#left[slot] === -1 ? -1 : this.#rank[slot]!
  }

  /** The token that a known pair becomes. */
  result(left: number, right: number): number {
    return this.#result[this.#slotOf(left, right)]!
  }

  #slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    hash ^= hash >>> 15
    let slot = hash & this.#mask
    while (this.#left[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask
    }
    return slot
  }
}
