import { Worker } from 'node:worker_threads'
import type { EngineStats } from '../engine/engine.js'
import type { EngineCommand, EngineEvent } from '../engine/messages.js'
import { WarplineError } from '../errors.js'
import type { RunningEngine } from './engine-client.js'
import type { RunningFacts } from './load-model.js'
import type { EngineCrash, LoadOptions } from './options.js'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.js'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
/** An engine that ran for so long before it failed is started again without a longer pause. */
const HEALTHY_MS = 60_000

type Listener = (event: EngineEvent) => void

interface LiveWorker {
  readonly worker: Worker
  readonly facts: RunningFacts
}

/** Starts the engine in a thread of its own. Throws what loading throws. */
export async function startWorkerEngine(directory: string, options: LoadOptions): Promise<WorkerEngine> {
  const { onProgress, onEngineCrash, signal, worker: _, ...plain } = options
  const start: WorkerStart = { directory, options: plain }
  const engine = new WorkerEngine(start, onEngineCrash)
  await engine.start(onProgress && ((done, total) => onProgress({ stage: 'load', done, total })), signal)
  return engine
}

/**
 * An engine in another thread: tokenization and HTTP take none of its time. If the thread fails, every open request fails
 * with `engine-crashed` and the engine is started again, after a pause that doubles from failure to failure; what is asked
 * meanwhile fails with `engine-restarting`.
 */
export class WorkerEngine implements RunningEngine {
  private readonly listeners = new Set<Listener>()
  /** Requests that have not had their last event. */
  private readonly open = new Set<string>()
  private live: LiveWorker | undefined
  private lastStats: EngineStats | undefined
  /** Of workers that are gone. */
  private past = { steps: 0, tokens: 0, preemptions: 0 }
  private commands: EngineCommand[] = []
  private restarts = 0
  private failures = 0
  private startedAt = 0
  private pause: NodeJS.Timeout | undefined
  private closing: Promise<void> | undefined

  constructor(
    private readonly begin: WorkerStart,
    private readonly onCrash: ((crash: EngineCrash) => void) | undefined,
  ) {}

  get ready(): boolean {
    return this.live !== undefined && this.closing === undefined
  }

  get facts(): RunningFacts {
    return this.live!.facts
  }

  async start(onProgress?: (done: number, total: number) => void, signal?: AbortSignal): Promise<void> {
    const worker = startThread(this.begin)
    const abort = () => send(worker, { type: 'abort-load' })
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    try {
      const { facts, stats } = await loaded(worker, onProgress)
      this.lastStats = stats
      this.live = { worker, facts }
      this.startedAt = performance.now()
      this.watch(worker)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  post(command: EngineCommand): void {
    if (command.type === 'add') this.open.add(command.request.id)
    if (!this.live) {
      if (command.type === 'add') queueMicrotask(() => this.fail(command.request.id, restarting()))
      return
    }
    if (this.commands.length === 0) queueMicrotask(() => this.flush())
    this.commands.push(command)
  }

  onEvent(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  stats(): EngineStats {
    const { running, waiting, blocks, freeBlocks, sessions, ...totals } = this.lastStats!
    const { past, restarts } = this
    const state = this.live
      ? { running, waiting, blocks, freeBlocks, sessions }
      : { running: 0, waiting: 0, blocks, freeBlocks: blocks, sessions: 0 }
    const steps = past.steps + totals.steps
    const tokens = past.tokens + totals.tokens
    return { ...totals, ...state, steps, tokens, preemptions: past.preemptions + totals.preemptions, restarts }
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown()
    return this.closing
  }

  private async shutDown(): Promise<void> {
    clearTimeout(this.pause)
    this.flush()
    const worker = this.live?.worker
    if (!worker) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    send(worker, { type: 'close' })
    await ended
    this.failOpen(new WarplineError('engine-closed', 'the engine was closed; load the model again'))
  }

  private watch(worker: Worker): void {
    let message = 'its thread ended'
    worker.on('message', (said: FromWorker) => {
      if (said.type === 'crashed') message = said.message
      else if (said.type === 'stats') this.lastStats = said.stats
      else if (said.type === 'events') {
        this.lastStats = said.stats
        for (const event of said.events) this.tell(event)
      }
      // A thread that failed takes nothing more, while it frees what it holds.
      if (said.type === 'crashed') this.lose(message)
    })
    worker.on('error', (error) => {
      message = error.stack ?? error.message
    })
    worker.once('exit', () => {
      if (this.live?.worker === worker && !this.closing) this.lose(message)
      if (!this.closing && !this.live) this.plan()
    })
  }

  /** Every open request is told, once. */
  private lose(message: string): void {
    if (!this.live || this.closing) return
    this.live = undefined
    this.commands = []
    this.failures = performance.now() - this.startedAt > HEALTHY_MS ? 1 : this.failures + 1
    const { steps, tokens, preemptions } = this.stats()
    this.past = { steps, tokens, preemptions }
    this.lastStats = { ...this.lastStats!, steps: 0, tokens: 0, preemptions: 0 }
    this.onCrash?.({ message, restartMs: this.pauseMs })
    this.failOpen(new WarplineError('engine-crashed', 'the engine failed and is started again; send the request again'))
  }

  private get pauseMs(): number {
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1))
  }

  private plan(): void {
    this.pause = setTimeout(() => {
      this.restarts++
      this.start().then(
        () => this.closing && this.live && void this.live.worker.terminate(),
        (error: Error) => {
          this.failures++
          if (this.closing) return
          this.onCrash?.({ message: error.stack ?? error.message, restartMs: this.pauseMs })
          this.plan()
        },
      )
    }, this.pauseMs)
    this.pause.unref()
  }

  private flush(): void {
    if (!this.live || this.commands.length === 0) return
    send(this.live.worker, { type: 'commands', commands: this.commands })
    this.commands = []
  }

  private tell(event: EngineEvent): void {
    if (event.type === 'failure' || (event.type === 'finish' && event.last)) this.open.delete(event.id)
    for (const listener of this.listeners) listener(event)
  }

  private failOpen(error: WarplineError): void {
    for (const id of [...this.open]) this.fail(id, error)
  }

  private fail(id: string, { code, message }: WarplineError): void {
    this.tell({ type: 'failure', id, code, message })
  }
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message)
}

function restarting(): WarplineError {
  return new WarplineError('engine-restarting', 'the engine is being started again after a failure; wait a moment')
}

function startThread(workerData: WorkerStart): Worker {
  const options = { workerData, name: 'warpline-engine' }
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./engine-worker.js', import.meta.url), options)
  // Run from source: threads of Node 20 do not inherit the loader that compiles it.
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const entry = JSON.stringify(new URL('./engine-worker.ts', import.meta.url).href)
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}) })`
  return new Worker(code, { ...options, eval: true })
}

/** The thread's first words. */
function loaded(
  worker: Worker,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<Extract<FromWorker, { type: 'loaded' }>> {
  return new Promise((resolve, reject) => {
    const done = () => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    }
    const onMessage = (said: FromWorker) => {
      if (said.type === 'progress') onProgress?.(said.done, said.total)
      if (said.type === 'loaded') {
        done()
        resolve(said)
      } else if (said.type === 'load-failed') {
        done()
        reject(new WarplineError(said.code, said.message))
      } else if (said.type === 'crashed') onError(new Error(said.message))
    }
    const onError = (error: Error) => {
      done()
      // Whatever it says on its way out.
      worker.on('error', () => {})
      reject(new WarplineError('engine-crashed', `the engine could not be started: ${error.message}`, { cause: error }))
    }
    const onExit = () => onError(new Error('its thread ended while it was loading'))
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}
