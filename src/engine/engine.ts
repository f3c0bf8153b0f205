import { setImmediate } from 'node:timers/promises'
import type { Executor } from '../backend/executor.js'
import { isWarplineError, WarplineError } from '../errors.js'
import type { StepOutputs } from '../program/step.js'
import { admit, type Capacity } from './admission.js'
import { BlockManager } from './block-manager.js'
import { Guides } from './guide.js'
import type { EngineCommand, EngineEvent, EngineRequest } from './messages.js'
import { Output } from './output.js'
import type { Plan } from './plan.js'
import { Request } from './request.js'
import { Scheduler, type StepLimits } from './scheduler.js'
import { SessionCache } from './session-cache.js'
import { type BuiltStep, resultsOf, StepBuilder } from './step-builder.js'

/** `blocks`, `blockSize`, `maxTokens` and `maxRows` are what the executor was made with. */
export interface EngineOptions extends Capacity, StepLimits {
  /**
   * Programs that take rotary lengths (dynamic scaling): the length beyond which a prompt's length turns its keys. See
   * `dynamicRotaryOf`.
   */
  readonly dynamicRotary?: number
}

export interface EngineStats {
  readonly running: number
  readonly waiting: number
  readonly blocks: number
  readonly freeBlocks: number
  /** Idle sessions whose beginnings are cached; their blocks are given up when others need them. */
  readonly sessions: number
  /** Steps, the tokens that they computed, and requests sent back to wait, since the engine was made. */
  readonly steps: number
  readonly tokens: number
  readonly preemptions: number
}

type Listener = (event: EngineEvent) => void

/**
 * Runs requests on an executor, many side by side. It sleeps while there is nothing to do; otherwise it plans a step,
 * has it computed, appends what came out and tells it. Commands are obeyed between steps.
 *
 * Errors concern single requests and arrive as `failure` events: a request that can never be computed is refused before
 * it starts (see `admit`). If the executor fails a step, every request fails with the executor's error, or
 * `executor-failed`; nothing that was cached is trusted any more, and the engine stands ready for new requests.
 */
export class Engine {
  private commands: EngineCommand[] = []
  private readonly listeners = new Set<Listener>()
  private readonly requests = new Map<string, Request>()
  private readonly builder: StepBuilder
  private readonly guides = new Guides()
  private blocks!: BlockManager
  private sessions!: SessionCache
  private scheduler!: Scheduler
  private ended = false
  private steps = 0
  private tokens = 0
  private preemptions = 0
  private loop: Promise<void> | undefined
  private closing: Promise<void> | undefined

  constructor(
    private readonly executor: Executor,
    private readonly options: EngineOptions,
  ) {
    checkOptions(options)
    const tableWidth = Math.ceil(options.contextLength / options.blockSize)
    this.builder = new StepBuilder({ ...options, tableWidth, rotaryLengths: options.dynamicRotary !== undefined })
    this.reset()
  }

  /** Returns at once; answers come as events, never before it has returned. */
  post(command: EngineCommand): void {
    this.commands.push(command)
    this.wake()
  }

  /** Returns the way to stop listening. */
  onEvent(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  stats(): EngineStats {
    const { running, waiting } = this.scheduler
    return {
      running: running.length,
      waiting: waiting.length,
      blocks: this.blocks.blocks,
      freeBlocks: this.blocks.free,
      sessions: this.sessions.size,
      steps: this.steps,
      tokens: this.tokens,
      preemptions: this.preemptions + this.scheduler.preemptions,
    }
  }

  /** Lets a step that is under way end; then open requests fail with `engine-closed` and the executor is closed. */
  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    await this.loop
    this.obey()
    this.failAll(closedError())
    await this.executor.close()
  }

  private wake(): void {
    this.loop ??= this.run().finally(() => {
      this.loop = undefined
      if (this.commands.length > 0) this.wake()
    })
  }

  private async run(): Promise<void> {
    // Whatever is posted in one go is planned together; the client's side has its turn between steps.
    do await setImmediate()
    while (await this.step())
  }

  /** False when there is nothing to do. */
  private async step(): Promise<boolean> {
    try {
      this.obey()
      const plan = this.scheduler.schedule()
      if (!plan) return false
      const step = this.builder.build(plan)
      const outputs = await this.executor.step(step.inputs)
      this.steps++
      this.tokens += step.inputs.ids.length
      // What was cancelled during the step wants none of its results.
      this.obey()
      this.accept(plan, step, outputs)
    } catch (error) {
      this.failAll(stepError(error))
    }
    return this.closing === undefined
  }

  private accept(plan: Plan, step: BuiltStep, outputs: StepOutputs): void {
    for (const [i, work] of plan.work.entries()) work.request.accept(work, resultsOf(step, outputs, i))
    this.sweep()
  }

  private obey(): void {
    // Obeying one may post more.
    while (this.commands.length > 0) {
      const commands = this.commands
      this.commands = []
      for (const command of commands) this.obeyOne(command)
    }
    this.sweep()
  }

  private obeyOne(command: EngineCommand): void {
    switch (command.type) {
      case 'add':
        this.add(command.request)
        break
      case 'cancel':
        this.requests.get(command.id)?.decoding.cancel()
        break
      case 'stop-choice':
        this.requests.get(command.id)?.decoding.stop(command.index)
        break
      case 'vocabulary':
        this.guides.learn(command.vocabulary)
        break
      case 'end-session':
        for (const request of this.requests.values()) request.forgetSession(command.session)
        this.sessions.end(command.session)
    }
  }

  private add(request: EngineRequest): void {
    const { id, parameters } = request
    try {
      if (this.closing) throw closedError()
      if (this.requests.has(id))
        throw new WarplineError('request-duplicate', `a request ${id} is running; choose another id`)
      const maxTokens = admit(request, this.options)
      const choices = parameters.numBeams > 1 ? parameters.numReturn : parameters.n
      const output = new Output(id, request.prompt.length, choices, (event) => this.tell(event))
      const { embeddingWidth } = this.options
      const guide = request.outputGrammar && this.guides.guide(request.outputGrammar, parameters.stopIds)
      const admitted = new Request(request, maxTokens, embeddingWidth, output, this.blocks, this.sessions, guide)
      this.requests.set(id, admitted)
      this.scheduler.add(admitted)
    } catch (error) {
      if (!isWarplineError(error)) throw error
      this.emit({ type: 'failure', id, code: error.code, message: error.message })
    }
  }

  /** What a running request says. */
  private tell(event: EngineEvent): void {
    if (event.type === 'failure' || (event.type === 'finish' && event.last)) {
      this.requests.delete(event.id)
      this.ended = true
    }
    this.emit(event)
  }

  private emit(event: EngineEvent): void {
    for (const listener of this.listeners) {
      try {
        listener(event)
      } catch (error) {
        // The listener's defect must neither stop the engine nor go unseen.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  private sweep(): void {
    if (this.ended) this.scheduler.sweep()
    this.ended = false
  }

  private failAll(error: WarplineError): void {
    const open = [...this.requests.values()]
    this.reset()
    for (const request of open) request.output.fail(error.code, error.message)
  }

  private reset(): void {
    const { blocks, blockSize, dynamicRotary } = this.options
    if (this.scheduler) this.preemptions += this.scheduler.preemptions
    this.blocks = new BlockManager(blocks, blockSize)
    this.sessions = new SessionCache(this.blocks, dynamicRotary)
    this.scheduler = new Scheduler(this.options, this.blocks, this.sessions)
  }
}

function checkOptions({ maxTokens, maxSequences, maxRows }: EngineOptions): void {
  if (maxSequences >= 1 && maxSequences <= maxTokens && maxSequences <= maxRows) return
  throw new WarplineError(
    'option-invalid',
    `maxSequences is ${maxSequences}; it must be at least 1 and at most the ${maxTokens} tokens and ${maxRows} rows of a step`,
  )
}

function closedError(): WarplineError {
  return new WarplineError('engine-closed', 'the engine was closed; load the model again')
}

function stepError(error: unknown): WarplineError {
  if (isWarplineError(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new WarplineError('executor-failed', `a step could not be computed: ${reason}`, { cause: error })
}
