import { cpuBackend } from '../../../../src/backend/cpu/backend.js'
import type { CpuOptions } from '../../../../src/backend/cpu/executor.js'
import { lower } from '../../../../src/model/lower.js'
import { decoderSpec } from '../../../../src/model/registry.js'
import type { DataType } from '../../../../src/program/buffer.js'
import { optimize } from '../../../../src/program/passes/optimize.js'
import { openCheckpoint } from '../../../../src/weights/checkpoint.js'
import { readGenerationDefaults } from '../../../../src/weights/generation-config.js'
import { checkpointReader } from '../../../../src/weights/weight-reader.js'
import type { LoadedModel } from '../../../support/golden.js'

export interface CpuLoadOptions extends Partial<Pick<CpuOptions, 'blocks' | 'maxTokens' | 'threads' | 'onProgress'>> {
  readonly weightType?: DataType
  readonly cacheType?: DataType
}

/** A model directory on the cpu backend, activations poisoned before every step. The caller closes the executor. */
export async function loadOnCpu(directory: string, options: CpuLoadOptions = {}): Promise<LoadedModel> {
  const { blocks = 16, maxTokens = 128, weightType = 'f32', cacheType = 'f32', ...others } = options
  const { blockSize, storage } = cpuBackend
  const checkpoint = await openCheckpoint(directory)
  try {
    const spec = decoderSpec(checkpoint.config, (name) => checkpoint.tensors.has(name))
    const program = optimize(lower(spec, { blockSize, weightType, cacheType, activationType: storage.activation }))
    const cpuOptions: CpuOptions = {
      program,
      weights: checkpointReader(checkpoint),
      ...{ blocks, blockSize, maxTokens, maxRows: maxTokens, poison: true },
      ...others,
    }
    const executor = await cpuBackend.createExecutor(cpuOptions)
    const generation = await readGenerationDefaults(directory, checkpoint.config)
    return { spec, program, executor, generation, blockSize, blocks }
  } finally {
    await checkpoint.close()
  }
}
