/** The engine's own thread: loads the model, obeys commands, tells events. Started by `worker-engine.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { Engine } from '../engine/engine.js'
import type { EngineEvent } from '../engine/messages.js'
import { isWarplineError } from '../errors.js'
import { openWeights, startEngine } from './load-model.js'
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.js'

const STATS_PERIOD_MS = 250
/** What closing may take after a failure: native memory is given back, if it can be. */
const LAST_MS = 2000

const port = parentPort!
const tell = (message: FromWorker) => port.postMessage(message)
const loading = new AbortController()
let engine: Engine | undefined
let events: EngineEvent[] = []
let crashing = false

process.on('uncaughtException', crash)
process.on('unhandledRejection', crash)
port.on('message', obey)
await load(workerData as WorkerStart)

async function load({ directory, options }: WorkerStart): Promise<void> {
  try {
    const opened = await openWeights(directory, options.randomWeights)
    const onProgress = ({ done, total }: { done: number; total: number }) => tell({ type: 'progress', done, total })
    const running = await startEngine(opened, { ...options, onProgress, signal: loading.signal })
    engine = running.engine
    engine.onEvent(collect)
    tell({ type: 'loaded', facts: running.facts, stats: engine.stats() })
    tellStats(engine)
  } catch (error) {
    if (!isWarplineError(error)) throw error
    tell({ type: 'load-failed', code: error.code, message: error.message })
    port.close()
  }
}

function obey(message: ToWorker): void {
  if (message.type === 'commands') for (const command of message.commands) engine?.post(command)
  else if (message.type === 'abort-load') loading.abort()
  else void engine?.close().then(() => process.exit(0))
}

/** A step's events come in one turn, and go in one message. */
function collect(event: EngineEvent): void {
  if (events.length === 0) queueMicrotask(flush)
  events.push(event)
}

function flush(): void {
  tell({ type: 'events', events, stats: engine!.stats() })
  events = []
}

/** Steps that say nothing (of long prompts) show here. */
function tellStats(engine: Engine): void {
  let steps = -1
  setInterval(() => {
    const stats = engine.stats()
    if (stats.steps === steps) return
    steps = stats.steps
    tell({ type: 'stats', stats })
  }, STATS_PERIOD_MS).unref()
}

function crash(error: unknown): void {
  if (crashing) return
  crashing = true
  tell({ type: 'crashed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  setTimeout(() => process.exit(1), LAST_MS)
  const closed = engine ? engine.close().catch(() => {}) : Promise.resolve()
  void closed.then(() => process.exit(1))
}
