import type { TensorSource } from '../../src/weights/weight-reader.js'

export interface MemoryTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** A checkpoint that was never on a disk. */
export class MemoryCheckpoint implements TensorSource {
  readonly tensors = new Map<string, MemoryTensor>()

  add(name: string, shape: readonly number[], values: Float32Array): void {
    this.tensors.set(name, { shape, values })
  }

  async readFloat32(name: string, range: { start?: number; length?: number } = {}): Promise<Float32Array> {
    const { values } = this.tensors.get(name)!
    const { start = 0, length = values.length - start } = range
    return values.slice(start, start + length)
  }
}
