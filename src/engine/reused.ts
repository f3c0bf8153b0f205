/** An array that is allocated once, of which each step fills as much as it needs. */
export class Reused {
  readonly all: Int32Array
  private view: Int32Array

  constructor(length: number) {
    this.all = new Int32Array(length)
    this.view = this.all
  }

  /** The first `length` values; the same view as last time where the length is the same. */
  first(length: number): Int32Array {
    if (this.view.length !== length) this.view = this.all.subarray(0, length)
    return this.view
  }
}
