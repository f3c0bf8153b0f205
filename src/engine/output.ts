import type { ErrorCode } from '../error-codes.js'
import type { EngineEvent, EngineFinishReason, EngineUsage, FinishEvent, TokenLogprob } from './messages.js'

/** A request's voice: it turns what happens into events and keeps the account that comes with them. */
export class Output {
  preemptions = 0
  private cachedTokens = 0
  private completionTokens = 0
  private readonly open: Set<number>
  private readonly addedAt = performance.now()
  private queuedMs?: number
  private promptMs?: number

  constructor(
    private readonly id: string,
    private readonly promptTokens: number,
    choices: number,
    private readonly emit: (event: EngineEvent) => void,
  ) {
    this.open = new Set(Array(choices).keys())
  }

  /** Whether the last event has been said. */
  get finished(): boolean {
    return this.open.size === 0
  }

  /** Its first tokens are scheduled; `cachedTokens` of them were found in the cache. */
  started(cachedTokens: number): void {
    if (this.queuedMs !== undefined) return
    this.queuedMs = performance.now() - this.addedAt
    this.cachedTokens = cachedTokens
  }

  promptDone(logprobs?: readonly (TokenLogprob | undefined)[], hiddenStates?: Float32Array): void {
    this.promptMs = performance.now() - this.addedAt
    const found = { ...(logprobs && { logprobs }), ...(hiddenStates && { hiddenStates }) }
    if (logprobs || hiddenStates) this.emit({ type: 'prompt', id: this.id, ...found })
  }

  /** A beam search may find fewer hypotheses than were asked for. */
  expect(choices: number): void {
    for (const index of [...this.open]) if (index >= choices) this.open.delete(index)
  }

  tokens(index: number, ids: readonly number[]): void {
    this.completionTokens += ids.length
    this.emit({ type: 'tokens', id: this.id, index, ids })
  }

  /** With their log-probabilities, and the sum of all of the output's so far. */
  scoredTokens(
    index: number,
    ids: readonly number[],
    logprobs: readonly TokenLogprob[],
    cumulativeLogprob: number,
  ): void {
    this.completionTokens += ids.length
    this.emit({ type: 'tokens', id: this.id, index, ids, logprobs, cumulativeLogprob })
  }

  finish(index: number, reason: EngineFinishReason, details: Pick<FinishEvent, 'stopId' | 'score'> = {}): void {
    if (!this.open.delete(index)) return
    const { id, usage } = this
    this.emit({ type: 'finish', id, index, reason, ...details, last: this.finished, usage })
  }

  /** Finishes every choice that is still open. */
  finishAll(reason: EngineFinishReason): void {
    for (const index of [...this.open]) this.finish(index, reason)
  }

  fail(code: ErrorCode, message: string): void {
    this.open.clear()
    this.emit({ type: 'failure', id: this.id, code, message })
  }

  private get usage(): EngineUsage {
    const { promptTokens, completionTokens, cachedTokens, preemptions, queuedMs = 0, promptMs = 0 } = this
    return { promptTokens, completionTokens, cachedTokens, queuedMs, promptMs, preemptions }
  }
}
