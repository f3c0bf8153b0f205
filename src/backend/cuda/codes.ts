import type { Activation } from '../../program/operation.js'

/** `Activation` of native/cuda/common/activation.cuh; 0 leaves a number as it is. */
export const ACTIVATION: Readonly<Record<Activation, number>> = {
  relu: 1,
  relu2: 2,
  gelu: 3,
  'gelu-tanh': 4,
  'gelu-quick': 5,
  silu: 6,
  tanh: 7,
}

/** Suffixes of kernels' names by the type of activations. */
export const KERNEL_TYPES = ['f32', 'f16', 'bf16'] as const
export type KernelType = (typeof KERNEL_TYPES)[number]

/** Bytes of an element. */
export const TYPE_BYTES: Readonly<Record<KernelType, number>> = { f32: 4, f16: 2, bf16: 2 }

/** How a head is normalised, in native/cuda/qkv-to-cache.cu; 0 is not at all. */
export const HEAD_NORM = { layer: 1, rms: 2 } as const
