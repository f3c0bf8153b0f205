import { dynamicRotaryOf } from '../../../src/engine/dynamic-rotary.js'
import type { EngineOptions } from '../../../src/engine/engine.js'
import type { LoadedModel } from '../../support/golden.js'
import { ClockedExecutor } from './clocked-executor.js'
import { harness } from './harness.js'

/** An engine on a model's executor, which stays open when the engine is closed: another may follow. */
export function engineOn(
  { spec, program, executor, blockSize, blocks }: Omit<LoadedModel, 'generation'>,
  options: Partial<EngineOptions> = {},
) {
  const clock = new ClockedExecutor(executor)
  const client = harness(clock, {
    ...{ blocks, blockSize, maxTokens: 48, maxSequences: 16, maxRows: 48 },
    contextLength: spec.contextLength,
    vocabulary: spec.vocabulary,
    embeddingWidth: spec.embedding.width,
    dynamicRotary: dynamicRotaryOf(program),
    ...options,
  })
  return { ...client, clock }
}
