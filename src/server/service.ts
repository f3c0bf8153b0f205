import type { Logger } from 'pino'
import type { LLM } from '../index.js'
import { Admission } from './admission.js'
import { Call, shuttingDown } from './call.js'
import { ApiError } from './http/api-error.js'
import { KeyRing } from './http/keys.js'
import { Metrics } from './observe/metrics.js'
import type { Settings } from './options.js'

/** What the routes share: the model, who is in, and whether the server still takes requests. */
export class Service {
  readonly admission: Admission
  readonly keys: KeyRing
  readonly metrics: Metrics
  readonly startedAt = Math.floor(Date.now() / 1000)
  private readonly calls = new Set<Call>()
  /** Load balancers are told to go elsewhere; who still comes is served. */
  private leaving = false
  private stopping = false

  constructor(
    readonly llm: LLM,
    readonly settings: Settings,
    readonly log: Logger,
  ) {
    const { maxQueue, maxPerKey, apiKeys, modelNames } = settings
    this.admission = new Admission({ running: llm.info.maxSequences, waiting: maxQueue, perKey: maxPerKey })
    this.keys = new KeyRing(apiKeys)
    this.metrics = new Metrics(llm, modelNames[0]!, () => this.admission.occupied)
  }

  /** The name that answers carry. */
  get modelName(): string {
    return this.settings.modelNames[0]!
  }

  /** Why no request can be taken now, if so. */
  get unready(): string | undefined {
    if (this.leaving) return 'shutting down'
    return this.llm.ready ? undefined : 'the engine is starting again'
  }

  checkModel(name: string | undefined): void {
    if (name === undefined || this.settings.modelNames.includes(name)) return
    const known = this.settings.modelNames.join(', ')
    throw new ApiError(404, 'model_not_found', `there is no model ${name.slice(0, 200)}; this server has ${known}`, {
      param: 'model',
    })
  }

  /** Begins a request of so many prompts: 429 where the queue is full, 503 where the server stops. */
  begin(key: string, prompts: number, client: AbortSignal, timeoutSeconds: number | undefined): ServedCall {
    if (this.stopping) throw shuttingDown()
    const leave = this.admission.enter(key, prompts)
    const most = this.settings.answerTimeoutMs
    const timeoutMs = timeoutSeconds === undefined ? most : Math.min(most, timeoutSeconds * 1000)
    const call = new Call(client, timeoutMs)
    this.calls.add(call)
    const end = () => {
      call.end()
      this.calls.delete(call)
      leave()
    }
    return { call, end }
  }

  /** From now on `/ready` says no. */
  announceStop(): void {
    this.leaving = true
  }

  /** From now on nothing new is begun. */
  stopTaking(): void {
    this.stopping = true
  }

  cancelAll(reason: () => ApiError): void {
    for (const call of this.calls) call.cancel(reason())
  }

  get openCalls(): number {
    return this.calls.size
  }
}

export interface ServedCall {
  readonly call: Call
  /** The engine is done with it. */
  end(): void
}
