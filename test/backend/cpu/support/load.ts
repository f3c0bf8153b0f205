import { cpuBackend } from '../../../../src/backend/cpu/backend.js'
import type { LoadedModel } from '../../../support/golden.js'
import { loadOn, type ModelOptions } from '../../../support/load-model.js'

export type CpuLoadOptions = ModelOptions

/** A model directory on the cpu backend; float32 unless asked otherwise. The caller closes the executor. */
export function loadOnCpu(directory: string, options: CpuLoadOptions = {}): Promise<LoadedModel> {
  return loadOn(cpuBackend, directory, options)
}
