import { WarplineError } from '../../errors.js'
import { singleRank } from '../../parallel/communicator.js'
import type { Ref } from '../../program/buffer.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { StepInputs, StepOutputs } from '../../program/step.js'
import type { Executor, ExecutorOptions, MemoryUse, ProfiledStep } from '../executor.js'
import { checkStep, type StepLimits } from '../reference/check-step.js'
import { COMMAND_BYTES } from './abi.js'
import { Activations } from './activations.js'
import { Caches } from './caches.js'
import { checkPlaces } from './check-places.js'
import { type Ranks, runCollective } from './collectives.js'
import { type CommandBuffer, type Segment, writeCommands } from './command-buffer.js'
import { type CpuLibrary, loadLibrary } from './library.js'
import { NativeMemory, type Region } from './native-memory.js'
import { Sampling } from './sampling.js'
import { StepMemory } from './step-memory.js'
import { enterPool, leavePool, type ThreadPool } from './thread-pools.js'
import { loadWeights } from './weights.js'

export interface CpuOptions extends ExecutorOptions {
  /** Fills activations with NaN before each step: for tests. */
  readonly poison?: boolean
}

/**
 * Allocates, reads and packs the weights, writes the commands, and stands ready. Errors: those of the library and of the
 * weight reader, `out-of-memory`, `threads-unavailable`, `storage-unsupported`, `program-invalid`.
 */
export async function createCpuExecutor(options: CpuOptions): Promise<Executor> {
  const library = await loadLibrary()
  const memory = new NativeMemory(library)
  const pool = enterPool(library, options.threads)
  try {
    return new CpuExecutor(options, pool, memory, await prepare(library, memory, pool, options))
  } catch (error) {
    memory.close()
    leavePool(pool)
    throw error
  }
}

/** Native memory by what it is for. */
interface Prepared {
  readonly weightBytes: number
  readonly caches: Caches
  readonly activations: Activations
  readonly step: StepMemory
  readonly sampling: Sampling
  readonly commands: CommandBuffer
  /** Nanoseconds of each command. */
  readonly times: Region
}

async function prepare(
  library: CpuLibrary,
  memory: NativeMemory,
  pool: ThreadPool,
  options: CpuOptions,
): Promise<Prepared> {
  const { program, blocks, blockSize, maxTokens, maxRows } = options
  const caches = new Caches(memory, program, blocks, blockSize)
  const activations = new Activations(memory, program, options)
  const step = new StepMemory(memory, program, options)
  const sampling = new Sampling(memory, maxRows, getBuffer(program, program.logits).shape[1] as number)
  const weights = await loadWeights(library, memory, program, pool, options)
  const sources = { program, blockSize, maxTokens, weights, caches, activations, step, sampling }
  const commands = writeCommands(memory, sources)
  const times = memory.allocate(commands.operationOf.length * 8)
  return { weightBytes: weights.bytes, caches, activations, step, sampling, commands, times }
}

class CpuExecutor implements Executor {
  readonly memory: MemoryUse
  private readonly program: Program
  private readonly limits: StepLimits
  private readonly ranks: Ranks
  private running = false
  private closed = false

  constructor(
    private readonly options: CpuOptions,
    private readonly pool: ThreadPool,
    private readonly native: NativeMemory,
    private readonly prepared: Prepared,
  ) {
    const { program, blocks, blockSize, maxTokens, maxRows } = options
    this.program = program
    this.limits = { blocks, blockSize, maxTokens, maxRows }
    this.ranks = {
      tensorGroup: options.tensorGroup ?? singleRank(),
      stageGroup: options.stageGroup ?? singleRank(),
    }
    const { weightBytes, caches, activations, step, commands } = prepared
    this.memory = {
      weights: weightBytes,
      cache: caches.bytes,
      activations: activations.bytes + step.bytes + commands.bytes,
    }
  }

  async step(inputs: StepInputs): Promise<StepOutputs> {
    return this.guarded(inputs, () => this.run(inputs, false))
  }

  async profile(inputs: StepInputs): Promise<ProfiledStep> {
    return this.guarded(inputs, async () => {
      new BigUint64Array(this.prepared.times.buffer()).fill(0n)
      const hostTimes = new Float64Array(this.program.operations.length)
      const outputs = await this.run(inputs, true, hostTimes)
      return { outputs, nanoseconds: this.timesByOperation(hostTimes) }
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.native.close()
    leavePool(this.pool)
  }

  private async guarded<T>(inputs: StepInputs, run: () => Promise<T>): Promise<T> {
    if (this.closed) throw new WarplineError('executor-closed', 'the executor was closed before this step')
    if (this.running) throw new WarplineError('step-invalid', 'the step before this one has not ended')
    this.running = true
    try {
      checkStep(this.program, inputs, this.limits)
      checkPlaces(this.program, inputs)
      return await run()
    } catch (error) {
      // Other ranks may be waiting for what this one will not bring any more.
      for (const group of Object.values(this.ranks)) if (group.size > 1) group.close()
      throw error
    } finally {
      this.running = false
    }
  }

  private async run(inputs: StepInputs, timed: boolean, hostTimes?: Float64Array): Promise<StepOutputs> {
    const { activations, step, sampling, commands } = this.prepared
    if (this.options.poison) activations.poison()
    step.write(inputs)
    const samples = commands.sample >= 0
    if (samples) sampling.prepare(inputs.sampling)
    const sizes = { tokens: inputs.ids.length, rows: inputs.rows.length }
    const values = (ref: Ref) => activations.values(ref, sizes)
    for (const segment of commands.segments) {
      if (segment.kind === 'native') await this.runCommands(segment.first, segment.count, timed)
      else await this.runCollective(segment, values, hostTimes)
    }
    const { hidden, logits } = this.program
    if (samples && sampling.edit(inputs.sampling, () => values(logits))) {
      await this.runCommands(commands.sample, 1, false)
    }
    return {
      sampled: samples ? sampling.collect(inputs.sampling) : [],
      ...(inputs.hiddenOf && { hidden: pickRows(values(hidden), inputs.hiddenOf, this.width(hidden)) }),
      ...(inputs.wantLogits && { logits: values(logits).slice() }),
    }
  }

  private async runCommands(first: number, count: number, timed: boolean): Promise<void> {
    const { commands, step, times } = this.prepared
    const error = await this.pool.run({
      commands: commands.address + BigInt(first * COMMAND_BYTES),
      count,
      step: step.header,
      nanoseconds: timed ? times.address + BigInt(first * 8) : 0n,
      failed: step.failed,
    })
    if (error !== 0) throw this.failure(error, first)
  }

  private async runCollective(
    { operation, index }: Extract<Segment, { kind: 'collective' }>,
    values: (ref: Ref) => Float32Array,
    hostTimes: Float64Array | undefined,
  ): Promise<void> {
    const started = performance.now()
    await runCollective(operation, this.ranks, values, (ref) => this.width(ref))
    if (hostTimes) hostTimes[index] = (performance.now() - started) * 1e6
  }

  private failure(error: number, first: number): WarplineError {
    const { commands, step } = this.prepared
    const failed = step.failedCommand()
    const operation = failed < 0 ? undefined : this.program.operations[commands.operationOf[first + failed]!]
    const where = operation ? ` in ${operation.kind}` : ''
    return new WarplineError('executor-failed', `the native step ended${where}: ${this.pool.errorText(error)}`)
  }

  private timesByOperation(times: Float64Array): Float64Array {
    const { commands } = this.prepared
    const native = new BigUint64Array(this.prepared.times.buffer())
    commands.operationOf.forEach((operation, command) => {
      times[operation] = times[operation]! + Number(native[command]!)
    })
    return times
  }

  /** The last dimension. */
  private width(ref: Ref): number {
    return getBuffer(this.program, ref).shape.at(-1) as number
  }
}

function pickRows(values: Float32Array, rows: Int32Array, width: number): Float32Array {
  const picked = new Float32Array(rows.length * width)
  rows.forEach((row, i) => {
    picked.set(values.subarray(row * width, (row + 1) * width), i * width)
  })
  return picked
}
