import type { DecoderSpec } from '../../src/model/spec.js'
import type { TensorPart } from '../../src/program/weight-source.js'

/** Every checkpoint tensor that a decoder reads, once for each place that reads it. */
export function tensorsOf(spec: DecoderSpec): TensorPart[] {
  const found: TensorPart[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if ('kind' in value && value.kind === 'tensor') found.push(value as TensorPart)
    else for (const inner of Object.values(value)) walk(inner)
  }
  walk(spec)
  return found
}

export function tensorNamesOf(spec: DecoderSpec): Set<string> {
  return new Set(tensorsOf(spec).map(({ tensor }) => tensor))
}
