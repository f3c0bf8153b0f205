import type { Backend, Executor } from '../../backend/executor.js'
import { selectBackend } from '../../backend/registry.js'
import { isWarplineError, WarplineError } from '../../errors.js'
import type { DataType } from '../../program/buffer.js'
import { cacheBytesPerToken, weightBytes } from '../../program/cost.js'
import type { Program } from '../../program/program.js'
import { checkpointReader } from '../../weights/weight-reader.js'
import { type OpenedModel, openModel, planProgram } from '../load-model.js'
import { checkLoadOptions } from '../option-schema.js'
import type { LoadOptions } from '../options.js'
import { inspectedShape } from '../shape.js'
import { measureSteps } from './measure.js'
import { phaseOf } from './phase.js'
import type { ProfileOptions, ProfileReport } from './report.js'
import { blocksFor, type StepPlan } from './steps.js'

const MOST_REPEATS = 1000

/**
 * Loads a model, runs a prompt and a decode step of the shape asked for with a clock beside every operation, and puts the
 * times beside the least that the device's limits, measured before and after, allow. Throws what loading throws,
 * `parameter-invalid` for a shape that the model cannot run, and `device-unavailable` for a device without such a clock.
 */
export async function profileModel(
  nameOrPath: string,
  given: LoadOptions = {},
  profile: ProfileOptions = {},
): Promise<ProfileReport> {
  const options = checkLoadOptions(given)
  const backend = await selectBackend(options.device ?? 'auto')
  const opened = await openModel(nameOrPath, options)
  try {
    const shape = inspectedShape(profile, opened.spec.contextLength)
    const repeats = checkRepeats(profile.repeats ?? 5)
    const { dtype, program } = planProgram(opened, backend, options)
    const plan: StepPlan = {
      ...shape,
      vocabulary: opened.spec.vocabulary,
      blockSize: backend.blockSize,
      maxTokens: Math.max(options.maxBatchTokens ?? backend.batchTokens, shape.batch),
    }
    const executor = await startExecutor(backend, opened, program, plan, options)
    try {
      const measured = await measureSteps(executor, plan, { device: backend.name, repeats, signal: options.signal })
      const phases = (['prompt', 'decode'] as const).map((phase) =>
        phaseOf(phase, program, measured[phase], measured.limits),
      )
      const { limits } = measured
      return { model: nameOrPath, device: backend.name, dtype: dtype as DataType, shape, repeats, limits, phases }
    } finally {
      await executor.close()
    }
  } catch (error) {
    if (!options.signal?.aborted || isWarplineError(error)) throw error
    throw new WarplineError('cancelled', 'the signal ended the profile', { cause: error })
  } finally {
    await opened.checkpoint.close()
  }
}

async function startExecutor(
  backend: Backend,
  { checkpoint }: OpenedModel,
  program: Program,
  plan: StepPlan,
  { threads, signal, onProgress }: LoadOptions,
): Promise<Executor> {
  const { blockSize, maxTokens, batch } = plan
  const blocks = blocksFor(plan)
  const cacheBytes = cacheBytesPerToken(program) * blockSize * blocks
  const budget = (await backend.memoryBudget()) - weightBytes(program)
  if (cacheBytes > budget) {
    throw new WarplineError(
      'out-of-memory',
      `keys and values of that shape take ${cacheBytes} bytes and ${Math.max(0, budget)} are free beside the weights; ask for a ` +
        'smaller batch or context, or a smaller dtype',
    )
  }
  return backend.createExecutor({
    program,
    weights: checkpointReader(checkpoint),
    ...{ blocks, blockSize, maxTokens, maxRows: batch, threads, signal },
    onProgress: onProgress && ((done, total) => onProgress({ stage: 'load', done, total })),
  })
}

function checkRepeats(repeats: number): number {
  if (Number.isSafeInteger(repeats) && repeats >= 1 && repeats <= MOST_REPEATS) return repeats
  throw new WarplineError(
    'parameter-invalid',
    `repeats is ${repeats}; it must be a whole number from 1 to ${MOST_REPEATS}`,
  )
}
