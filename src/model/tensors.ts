import { type StridedRows, tensor, type WeightSource } from '../program/weight-source.js'
import type { LinearSpec } from './spec.js'

export interface PartOptions {
  /** Stored `[inputs, outputs]`. */
  readonly transposed?: boolean
  /** Which outputs of a fused projection. */
  readonly rows?: StridedRows
}

/** Names tensors of a checkpoint below a path, and knows which are there. */
export class Tensors {
  constructor(
    private readonly exists: (name: string) => boolean,
    private readonly prefix = '',
  ) {}

  at(path: string): Tensors {
    return new Tensors(this.exists, `${this.prefix}${path}.`)
  }

  /** From the top of the checkpoint, where heads stand beside the model. */
  get top(): Tensors {
    return new Tensors(this.exists)
  }

  has(name: string): boolean {
    return this.exists(this.prefix + name)
  }

  vector(name: string, size: number, options: { rows?: StridedRows; plus?: number } = {}): WeightSource {
    return tensor(this.prefix + name, [size], options)
  }

  matrix(name: string, outputs: number, inputs: number, options: PartOptions = {}): WeightSource {
    return tensor(this.prefix + name, [outputs, inputs], options)
  }

  /** `name.weight` and, if asked for, `name.bias`. */
  linear(name: string, outputs: number, inputs: number, options: PartOptions & { bias?: boolean } = {}): LinearSpec {
    const { bias, ...part } = options
    const weight = this.matrix(`${name}.weight`, outputs, inputs, part)
    return bias ? { weight, bias: this.vector(`${name}.bias`, outputs, { rows: part.rows }) } : { weight }
  }
}

/**
 * Checkpoints saved from a bare model lack the prefix that those with a head carry. Picks the first of `prefixes` under
 * which `probe` is there; the first of all where none fits, so that the missing tensor is reported by its usual name.
 */
export function findPrefix(exists: (name: string) => boolean, prefixes: readonly string[], probe: string): Tensors {
  return new Tensors(exists, prefixes.find((prefix) => exists(prefix + probe)) ?? prefixes[0])
}
