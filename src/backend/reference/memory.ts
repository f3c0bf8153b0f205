import { WarplineError } from '../../errors.js'
import { type Buffer, elementCount, type Ref, type SymbolicSize } from '../../program/buffer.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { ExecutorOptions, MemoryUse } from '../executor.js'
import { roundingOf } from './rounding.js'

/** Where a program's numbers live: weights, caches, and activations in the arenas that the memory plan laid out. */
export interface Memory {
  /** A buffer's values: all of a weight or cache; of an activation as much as the step's sizes fill. */
  view(ref: Ref, sizes: Partial<Record<SymbolicSize, number>>): Float32Array
  /** Fills all activations with NaN, so that whatever is read before it is written shows. */
  poison(): void
  readonly use: MemoryUse
}

type Limits = Pick<ExecutorOptions, 'blocks' | 'maxTokens' | 'maxRows'>

export function allocate(program: Program, limits: Limits): Memory {
  const capacity = { tokens: limits.maxTokens, rows: limits.maxRows, blocks: limits.blocks }
  const fixed = new Map<Ref, Float32Array>()
  const arenas = {
    tokens: floats((program.memory?.bytesPerToken ?? 0) / 4, capacity.tokens),
    rows: floats((program.memory?.bytesPerRow ?? 0) / 4, capacity.rows),
  }
  const activations = new Map<Ref, Float32Array>()
  const use = { weights: 0, cache: 0, activations: arenas.tokens.byteLength + arenas.rows.byteLength }
  for (const buffer of program.buffers.values()) {
    if (buffer.kind === 'weight' || buffer.kind === 'cache') {
      roundingOf(buffer.dtype, buffer.name)
      const values = floats(elementCount(buffer.shape, capacity))
      fixed.set(buffer.name, values)
      use[buffer.kind === 'weight' ? 'weights' : 'cache'] += values.byteLength
    } else if (buffer.kind === 'activation') {
      const values = placed(program, buffer, arenas, capacity) ?? floats(elementCount(buffer.shape, capacity))
      if (!program.memory?.placements.has(buffer.name)) use.activations += values.byteLength
      activations.set(buffer.name, values)
    }
  }
  return {
    use,
    view(ref, sizes) {
      const whole = fixed.get(ref)
      if (whole) return whole
      return activations.get(ref)!.subarray(0, elementCount(getBuffer(program, ref).shape, sizes))
    },
    poison() {
      for (const values of activations.values()) values.fill(Number.NaN)
    },
  }
}

/** A buffer of w bytes a token at offset o takes bytes o * maxTokens .. (o + w) * maxTokens of its arena. */
function placed(
  program: Program,
  buffer: Buffer,
  arenas: Readonly<Record<'tokens' | 'rows', Float32Array>>,
  capacity: Partial<Record<SymbolicSize, number>>,
): Float32Array | undefined {
  if (buffer.dtype !== 'f32') {
    throw new WarplineError(
      'storage-unsupported',
      `the reference backend computes in f32, and ${buffer.name} is ${buffer.dtype}; lower with activations in f32`,
    )
  }
  const placement = program.memory?.placements.get(buffer.name)
  if (!placement) return undefined
  const start = (placement.offset / 4) * capacity[placement.per]!
  return arenas[placement.per].subarray(start, start + elementCount(buffer.shape, capacity))
}

function floats(count: number, times = 1): Float32Array {
  try {
    return new Float32Array(count * times)
  } catch (cause) {
    throw new WarplineError(
      'out-of-memory',
      `no memory for ${count * times * 4} bytes; choose a smaller cache, a smaller batch or a smaller model`,
      { cause },
    )
  }
}
