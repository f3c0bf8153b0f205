import { WarplineError } from '../../errors.js'
import { singleRank } from '../../parallel/communicator.js'
import type { Dimension, Ref, SymbolicSize } from '../../program/buffer.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { SampledRow, StepInputs, StepOutputs } from '../../program/step.js'
import type { Executor, ExecutorOptions, MemoryUse, ProfiledStep } from '../executor.js'
import { checkStep, type StepLimits } from './check-step.js'
import { type RunningStep, runOperation } from './dispatch.js'
import { loadWeights } from './load-weights.js'
import { allocate, type Memory } from './memory.js'
import { roundingOf } from './rounding.js'
import { integersOf } from './step-inputs.js'

export interface ReferenceOptions extends ExecutorOptions {
  /** Fills activations with NaN before each step: for tests. */
  readonly poison?: boolean
}

/** Allocates, reads the weights, and stands ready. Errors: those of the weight reader, `storage-unsupported`, `out-of-memory`. */
export async function createReferenceExecutor(options: ReferenceOptions): Promise<Executor> {
  checkBlockSize(options.program, options.blockSize)
  const memory = allocate(options.program, options)
  await loadWeights(options.program, memory, options)
  return new ReferenceExecutor(options, memory)
}

class ReferenceExecutor implements Executor {
  readonly memory: MemoryUse
  private readonly program: Program
  private readonly limits: StepLimits
  private readonly groups: Pick<RunningStep, 'tensorGroup' | 'stageGroup'>
  private readonly poison: boolean
  private storage: Memory | undefined
  private running = false

  constructor(options: ReferenceOptions, storage: Memory) {
    const { program, blocks, blockSize, maxTokens, maxRows, poison = false } = options
    this.program = program
    this.limits = { blocks, blockSize, maxTokens, maxRows }
    this.groups = {
      tensorGroup: options.tensorGroup ?? singleRank(),
      stageGroup: options.stageGroup ?? singleRank(),
    }
    this.poison = poison
    this.storage = storage
    this.memory = storage.use
  }

  step(inputs: StepInputs): Promise<StepOutputs> {
    return this.guarded(inputs)
  }

  async profile(inputs: StepInputs): Promise<ProfiledStep> {
    const nanoseconds = new Float64Array(this.program.operations.length)
    return { outputs: await this.guarded(inputs, nanoseconds), nanoseconds }
  }

  private async guarded(inputs: StepInputs, nanoseconds?: Float64Array): Promise<StepOutputs> {
    if (!this.storage) throw new WarplineError('executor-closed', 'the executor was closed before this step')
    if (this.running) throw new WarplineError('step-invalid', 'the step before this one has not ended')
    checkStep(this.program, inputs, this.limits)
    this.running = true
    try {
      return await this.run(inputs, this.storage, nanoseconds)
    } catch (error) {
      // Other ranks may be waiting for what this one will not bring any more.
      for (const group of Object.values(this.groups)) if (group.size > 1) group.close()
      throw error
    } finally {
      this.running = false
    }
  }

  async close(): Promise<void> {
    this.storage = undefined
  }

  private async run(inputs: StepInputs, storage: Memory, nanoseconds?: Float64Array): Promise<StepOutputs> {
    if (this.poison) storage.poison()
    const step = this.prepare(inputs, storage)
    for (const [i, op] of this.program.operations.entries()) {
      const started = nanoseconds && performance.now()
      const waiting = runOperation(op, step)
      if (waiting) await waiting
      if (nanoseconds) nanoseconds[i] = (performance.now() - started!) * 1e6
    }
    const { hidden, logits } = this.program
    return {
      sampled: step.sampled,
      ...(inputs.hiddenOf && { hidden: pickRows(step.floats(hidden), inputs.hiddenOf, step.width(hidden)) }),
      ...(inputs.wantLogits && { logits: step.floats(logits).slice() }),
    }
  }

  private prepare(inputs: StepInputs, storage: Memory): RunningStep {
    const { program } = this
    const sizes: Partial<Record<SymbolicSize, number>> = {
      tokens: inputs.ids.length,
      rows: inputs.rows.length,
      blocks: this.limits.blocks,
    }
    const size = (dimension: Dimension) => (typeof dimension === 'number' ? dimension : sizes[dimension]!)
    const sampled: SampledRow[] = []
    return {
      ...this.groups,
      blockSize: this.limits.blockSize,
      floats: (ref: Ref) => (ref === 'soft-rows' ? inputs.softRows! : storage.view(ref, sizes)),
      integers: (ref) => integersOf(inputs, ref),
      width: (ref) => size(getBuffer(program, ref).shape.at(-1)!),
      height: (ref) => size(getBuffer(program, ref).shape[0]!),
      rounding: (ref) => roundingOf(getBuffer(program, ref).dtype, ref),
      hasSoftRows: inputs.softRows !== undefined,
      sampling: inputs.sampling,
      sampled,
    }
  }
}

function pickRows(values: Float32Array, rows: Int32Array, width: number): Float32Array {
  const picked = new Float32Array(rows.length * width)
  rows.forEach((row, i) => {
    picked.set(values.subarray(row * width, (row + 1) * width), i * width)
  })
  return picked
}

function checkBlockSize(program: Program, blockSize: number): void {
  for (const { name, kind, shape } of program.buffers.values()) {
    if (kind === 'cache' && shape[1] !== blockSize) {
      throw new WarplineError('program-invalid', `${name} has blocks of ${shape[1]} tokens, the executor ${blockSize}`)
    }
  }
}
