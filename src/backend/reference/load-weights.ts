import { elementCount } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import { sourceShape } from '../../program/weight-source.js'
import type { ExecutorOptions } from '../executor.js'
import type { Memory } from './memory.js'
import { roundingOf } from './rounding.js'

const CHUNK_ELEMENTS = 2 ** 22

/**
 * Checks that all weights can be read, then reads each, some rows at a time, rounded to its storage type. Rejects with the
 * signal's reason if aborted.
 */
export async function loadWeights(
  program: Program,
  memory: Memory,
  { weights, onProgress, signal }: Pick<ExecutorOptions, 'weights' | 'onProgress' | 'signal'>,
): Promise<void> {
  const buffers = [...program.buffers.values()].filter((buffer) => buffer.kind === 'weight')
  const total = buffers.reduce((sum, buffer) => sum + elementCount(buffer.shape, {}), 0)
  for (const buffer of buffers) await weights.readRows(buffer.source!, 0, 0)
  let done = 0
  for (const buffer of buffers) {
    const source = buffer.source!
    const [rows, ...columns] = sourceShape(source) as [number, ...number[]]
    const width = columns.reduce((product, size) => product * size, 1)
    const step = Math.max(1, Math.floor(CHUNK_ELEMENTS / width))
    const round = roundingOf(buffer.dtype, buffer.name)
    const target = memory.view(buffer.name, {})
    for (let first = 0; first < rows; first += step) {
      signal?.throwIfAborted()
      const values = await weights.readRows(source, first, Math.min(step, rows - first))
      const part = target.subarray(first * width, first * width + values.length)
      part.set(values)
      round(part)
      done += values.length
      onProgress?.(done, total)
    }
  }
  signal?.throwIfAborted()
}
