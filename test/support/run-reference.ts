import type { Executor } from '../../src/backend/executor.js'
import { createReferenceExecutor, type ReferenceOptions } from '../../src/backend/reference/executor.js'
import type { Program } from '../../src/program/program.js'
import type { WeightReader } from '../../src/program/weight-source.js'

/** A reference executor with room for small tests, its activations poisoned before every step. */
export function startReference(
  program: Program,
  weights: WeightReader,
  options: Partial<ReferenceOptions> = {},
): Promise<Executor> {
  const room = { blocks: 64, blockSize: 16, maxTokens: 128, maxRows: 128 }
  return createReferenceExecutor({ program, weights, poison: true, ...room, ...options })
}
