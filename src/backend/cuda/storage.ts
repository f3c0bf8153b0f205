import { WarplineError } from '../../errors.js'
import { type Buffer, bytesOf, elementCount } from '../../program/buffer.js'
import { KERNEL_TYPES, type KernelType } from './codes.js'

/** The type as kernels know it; throws `storage-unsupported` where they do not. */
export function kernelType({ dtype, name }: Pick<Buffer, 'dtype' | 'name'>): KernelType {
  const type = KERNEL_TYPES.find((known) => known === dtype)
  if (!type) throw new WarplineError('storage-unsupported', `the cuda backend does not store ${name} as ${dtype}`)
  return type
}

/** Buffers begin at multiples of this: what one memory transaction of a whole warp covers, twice. */
export const ALIGNMENT = 256

export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

export function bufferBytes({ dtype, shape }: Buffer, sizes: Parameters<typeof elementCount>[1] = {}): number {
  return bytesOf(dtype, elementCount(shape, sizes))
}
