import type { WeightSource } from './weight-source.js'

/**
 * How numbers are stored. `int8` and `int4` leave the scales to the backend; `int8-g32` has one for 32 inputs of an output,
 * `int4-g128` one for 128. `record` is a step input that each backend packs as it likes (see step.ts).
 */
export type DataType = 'f32' | 'f16' | 'bf16' | 'fp8' | 'int8' | 'int8-g32' | 'int4' | 'int4-g128' | 'i32' | 'record'

/**
 * Sizes that change from step to step. `tokens`: tokens of this step; `rows`: tokens whose logits are wanted;
 * `sequences`: sequences in this step; `copies`: block copies before the step. Two are fixed when an executor starts:
 * `blocks`, the blocks of the K/V cache, and `width`, the widest block table.
 */
export type SymbolicSize = 'tokens' | 'rows' | 'sequences' | 'copies' | 'blocks' | 'width'

export type Dimension = number | SymbolicSize

/**
 * weight: read from a checkpoint, never written. cache: keeps its contents from step to step. activation: lives within
 * a step. input: written by the host before a step. output: read by the host after a step.
 */
export type BufferKind = 'weight' | 'cache' | 'activation' | 'input' | 'output'

export interface Buffer {
  readonly name: string
  readonly kind: BufferKind
  readonly dtype: DataType
  readonly shape: readonly Dimension[]
  /** Where a weight comes from; only and always on weights. */
  readonly source?: WeightSource
}

/** Names a buffer of the same program. */
export type Ref = string

/** Columns `offset` to `offset + width` of a matrix, so that one fused product can feed several readers. */
export interface Slice {
  readonly buffer: Ref
  readonly offset: number
  readonly width: number
}

const BITS: Record<Exclude<DataType, 'record'>, number> = {
  f32: 32,
  f16: 16,
  bf16: 16,
  fp8: 8,
  int8: 8,
  'int8-g32': 8,
  int4: 4,
  'int4-g128': 4,
  i32: 32,
}

/** Bytes of `count` elements; scales of quantised types are not counted, `record` counts as nothing. */
export function bytesOf(dtype: DataType, count: number): number {
  return dtype === 'record' ? 0 : Math.ceil((count * BITS[dtype]) / 8)
}

/** Elements of a buffer for given symbolic sizes. */
export function elementCount(shape: readonly Dimension[], sizes: Partial<Record<SymbolicSize, number>>): number {
  return shape.reduce<number>((product, size) => product * (typeof size === 'number' ? size : (sizes[size] ?? 0)), 1)
}
