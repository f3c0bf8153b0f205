/** Memory that a checkpoint is read into, used again from piece to piece: fresh memory costs as much as reading. */
export class ReadBuffers {
  private free: Uint8Array[] = []

  /** At least `bytes`, the contents anything. */
  take(bytes: number): Uint8Array {
    const fitting = this.free.filter(({ byteLength }) => byteLength >= bytes)
    const smallest = fitting.sort((a, b) => a.byteLength - b.byteLength)[0]
    if (smallest) {
      this.free = this.free.filter((buffer) => buffer !== smallest)
      return smallest
    }
    // A larger one takes the place of one that was too small.
    this.free.pop()
    return new Uint8Array(bytes)
  }

  give(buffer: Uint8Array): void {
    this.free.push(buffer)
  }
}
