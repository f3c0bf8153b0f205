import { WarplineError } from '../../errors.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { StepInputs, StepOutputs } from '../../program/step.js'
import type { Executor, ExecutorOptions, MemoryUse, ProfiledStep } from '../executor.js'
import { checkPlaces } from '../reference/check-places.js'
import { checkStep, type StepLimits } from '../reference/check-step.js'
import { Activations, capacityOf } from './activations.js'
import { Choices, choicesPath } from './blas/choices.js'
import { loadCublasLt } from './blas/cublaslt.js'
import { Products } from './blas/products.js'
import { Caches } from './caches.js'
import { moduleLoader } from './compile/modules.js'
import { Completion } from './completion.js'
import { Context } from './driver/context.js'
import { listDevices } from './driver/device.js'
import { loadDriver } from './driver/load-driver.js'
import type { Stream } from './driver/stream.js'
import { LinearProducts } from './linear-products.js'
import { OutputReader } from './output-reader.js'
import { profileWork } from './profile.js'
import { StepBuffers } from './step-buffers.js'
import { type PlannedStep, Steps } from './steps.js'
import { loadWeights } from './weights.js'

export interface CudaOptions extends ExecutorOptions {
  /** Fills activations with NaN before each step: for tests. */
  readonly poison?: boolean
  /** False launches kernel by kernel: for tests. */
  readonly graphs?: boolean
  /** Which GPU; the first unless given. */
  readonly ordinal?: number
}

const STEPS_AHEAD = 1

/**
 * Allocates, reads the weights, and stands ready. Errors: those of the driver (`cuda-unavailable`, `cuda-failed`, `kernels-missing`) and of
 * the weight reader, `out-of-memory`, `storage-unsupported`, `program-invalid`.
 */
export async function createCudaExecutor(options: CudaOptions): Promise<Executor> {
  const raw = await loadDriver()
  const device = listDevices(raw)[options.ordinal ?? 0]
  if (!device) throw new WarplineError('cuda-unavailable', `there is no GPU number ${options.ordinal ?? 0}`)
  const context = new Context(raw, device, await moduleLoader(device.architecture))
  try {
    return await prepare(context, options)
  } catch (error) {
    context.close()
    throw error
  }
}

async function prepare(context: Context, options: CudaOptions): Promise<Executor> {
  const { program, blocks, blockSize, deterministic = false } = options
  const stream = context.stream()
  const blas = deterministic ? undefined : await loadCublasLt()
  const choices = blas && new Choices(choicesPath(context.device.name, blas.version))
  const products = blas && new LinearProducts(new Products(blas, context, stream, choices!))
  const weights = await loadWeights(context, stream, program, options)
  const caches = new Caches(context, program, blocks, blockSize)
  const activations = new Activations(context, program, options)
  const capacity = capacityOf(options)
  const vocabulary = getBuffer(program, program.logits).shape[1] as number
  const buffers = new StepBuffers(context, program, { ...options, ...capacity, vocabulary }, STEPS_AHEAD + 1)
  const residents = {
    ...{ program, device: context.device, blockSize, deterministic, weights, caches, activations },
    tableStride: buffers.tableStride,
    ids: buffers.ids,
    softRows: buffers.softRows,
  }
  const steps = new Steps(context, stream, buffers, {
    residents,
    inputs: new Set([...program.buffers.values()].filter(({ kind }) => kind === 'input').map(({ name }) => name)),
    products,
    maxTokens: Math.min(capacity.tokens, capacity.rows),
    longestContext: Math.min(blocks, buffers.tableStride) * blockSize,
    graphs: options.graphs ?? true,
  })
  const memory = { weights: weights.bytes, cache: caches.bytes, activations: activations.bytes + buffers.bytes }
  return new CudaExecutor(options, context, stream, { activations, buffers, steps, memory })
}

interface Prepared {
  readonly activations: Activations
  readonly buffers: StepBuffers
  readonly steps: Steps
  readonly memory: MemoryUse
}

class CudaExecutor implements Executor {
  readonly memory: MemoryUse
  readonly stepsAhead = STEPS_AHEAD
  private readonly program: Program
  private readonly limits: StepLimits
  private readonly outputs: OutputReader
  private readonly completion: Completion
  private count = 0
  private underWay = 0
  private closed = false
  private readonly samples: boolean

  constructor(
    private readonly options: CudaOptions,
    private readonly context: Context,
    private readonly stream: Stream,
    private readonly prepared: Prepared,
  ) {
    const { program, blocks, blockSize, maxTokens, maxRows } = options
    this.program = program
    this.limits = { blocks, blockSize, maxTokens, maxRows }
    this.memory = prepared.memory
    this.outputs = new OutputReader(program, prepared.activations, context, STEPS_AHEAD + 1)
    this.completion = new Completion()
    this.samples = program.operations.some(({ kind }) => kind === 'sample')
  }

  async step(inputs: StepInputs): Promise<StepOutputs> {
    return this.submit(inputs, (entry) => this.prepared.steps.run(entry))
  }

  async profile(inputs: StepInputs): Promise<ProfiledStep> {
    if (this.underWay > 0) throw new WarplineError('step-invalid', 'a step is under way; profile one at a time')
    let nanoseconds: Float64Array = new Float64Array(0)
    const outputs = await this.submit(inputs, ({ plan }) => {
      nanoseconds = profileWork(this.context, this.stream, plan, this.program.operations.length)
    })
    return { outputs, nanoseconds }
  }

  /** Everything is handed to the device before the first `await`: the caller may then write to the inputs again. */
  private async submit(inputs: StepInputs, run: (entry: PlannedStep) => void): Promise<StepOutputs> {
    if (this.closed) throw new WarplineError('executor-closed', 'the executor was closed before this step')
    if (this.underWay > STEPS_AHEAD) throw new WarplineError('step-invalid', 'two steps are under way already')
    checkStep(this.program, inputs, this.limits)
    checkPlaces(this.program, inputs)
    const { activations, buffers, steps } = this.prepared
    const turn = this.count++ % (STEPS_AHEAD + 1)
    if (this.options.poison) activations.poison((region, byte) => this.stream.fill(region, byte))
    let entry = steps.find(inputs)
    if (buffers.makeRoom(this.stream, turn, inputs, entry.plan.sizes.rows)) {
      steps.forgetAll()
      entry = steps.find(inputs)
    }
    const sampling = buffers.send(this.stream, turn, inputs, entry.plan.layout, entry.plan.sizes)
    run(entry)
    const read = this.outputs.fetch(this.stream, turn, inputs)
    const sent = buffers.fetch(this.stream, turn, inputs, sampling)
    this.underWay++
    try {
      await this.completion.of(sent.done, entry)
      return { sampled: this.samples ? sent.read() : [], ...read() }
    } finally {
      this.underWay--
    }
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.stream.synchronize()
    this.context.close()
  }
}
