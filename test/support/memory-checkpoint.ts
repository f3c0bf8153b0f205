import assert from 'node:assert/strict'
import { type CheckpointDtype, DTYPE_BYTES, fromFloat32, toFloat32 } from '../../src/weights/dtype.js'
import type { TensorSource } from '../../src/weights/weight-reader.js'

export interface MemoryTensor {
  readonly shape: readonly number[]
  readonly dtype: CheckpointDtype
  readonly values: Float32Array
}

/** A checkpoint that was never on a disk. */
export class MemoryCheckpoint implements TensorSource {
  readonly tensors = new Map<string, MemoryTensor>()

  /** Values are rounded to the type that stores them. */
  add(name: string, shape: readonly number[], values: Float32Array, dtype: 'F32' | 'F16' | 'BF16' = 'F32'): void {
    const rounded = dtype === 'F32' ? values : toFloat32(dtype, fromFloat32(dtype, values))
    this.tensors.set(name, { shape, dtype, values: rounded })
  }

  async readInto(name: string, target: Uint8Array, range: { start?: number; length?: number } = {}): Promise<void> {
    const { values, dtype } = this.tensors.get(name)!
    const { start = 0, length = values.length - start } = range
    assert.equal(target.byteLength, length * DTYPE_BYTES[dtype])
    target.set(fromFloat32(dtype as 'F32', values.subarray(start, start + length)))
  }

  async readFloat32(name: string, range: { start?: number; length?: number } = {}): Promise<Float32Array> {
    const { values } = this.tensors.get(name)!
    const { start = 0, length = values.length - start } = range
    return values.slice(start, start + length)
  }
}
