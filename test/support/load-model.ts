import type { Backend, ExecutorOptions } from '../../src/backend/executor.js'
import { lower } from '../../src/model/lower.js'
import { decoderSpec } from '../../src/model/registry.js'
import type { DataType } from '../../src/program/buffer.js'
import { optimize } from '../../src/program/passes/optimize.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'
import { readGenerationDefaults } from '../../src/weights/generation-config.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import type { LoadedModel } from './golden.js'

export interface ModelOptions extends Partial<Omit<ExecutorOptions, 'program' | 'weights'>> {
  readonly weightType?: DataType
  /** The first that the backend offers beside the weights' type, unless given. */
  readonly cacheType?: DataType
}

/** A model directory on a backend, activations poisoned before every step. The caller closes the executor. */
export async function loadOn(backend: Backend, directory: string, options: ModelOptions = {}): Promise<LoadedModel> {
  const { storage } = backend
  const { blocks = 16, blockSize = backend.blockSize, maxTokens = 128, weightType = 'f32', ...others } = options
  const { activation: activationType, cache } = storage.beside(weightType)
  const { cacheType = cache[0]!, ...rest } = others
  const checkpoint = await openCheckpoint(directory)
  try {
    const spec = decoderSpec(checkpoint.config, (name) => checkpoint.tensors.has(name))
    const program = optimize(lower(spec, { blockSize, weightType, cacheType, activationType }))
    const executorOptions = {
      ...{ program, weights: checkpointReader(checkpoint), blocks, blockSize, maxTokens, maxRows: maxTokens },
      poison: true,
      ...rest,
    }
    const executor = await backend.createExecutor(executorOptions)
    const generation = await readGenerationDefaults(directory, checkpoint.config)
    return { spec, program, executor, generation, blockSize, blocks }
  } finally {
    await checkpoint.close()
  }
}
