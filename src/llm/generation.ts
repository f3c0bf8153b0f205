import type { PromptRun } from './prompt-run.js'
import type { Part, Result } from './result.js'

/** What a call's prompts say while they run. */
export interface RunListener {
  part(part: Part): void
  end(run: PromptRun): void
}

/**
 * A call to `generate` or `chat`, already running. Iterate over it for the parts of the stream, or await it for the
 * whole result (an array of results for an array of prompts). Leaving a loop early cancels what still runs.
 */
export class Generation<R extends Result | Result[]> implements AsyncIterable<Part>, PromiseLike<R> {
  private readonly parts: Part[] = []
  private readonly waiters: (() => void)[] = []
  private failure: unknown
  private runs: readonly PromptRun[] = []
  /** Runs that have not ended. */
  private open = 0
  private cancelled = false

  /**
   * `start` begins the runs; what it throws is thrown to whoever consumes the generation.
   * @internal
   */
  constructor(
    start: (on: RunListener) => readonly PromptRun[],
    private readonly collect: (results: Result[]) => R,
  ) {
    try {
      this.runs = start({ part: (part) => this.push(part), end: (run) => this.settle(run) })
      this.open = this.runs.length
    } catch (error) {
      this.failure = error
    }
  }

  /** Ends everything that still runs; choices end with finishReason `cancelled`. */
  cancel(): void {
    if (this.cancelled) return
    this.cancelled = true
    for (const run of this.runs) if (!run.ended) run.handle?.cancel()
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a generation is half of its purpose
  then<A = R, B = never>(
    onResult?: ((result: R) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.whole().then(onResult, onError)
  }

  catch<B = never>(onError: (reason: unknown) => B | PromiseLike<B>): Promise<R | B> {
    return this.whole().catch(onError)
  }

  [Symbol.asyncIterator](): AsyncIterator<Part, undefined, undefined> {
    let next = 0
    return {
      next: async () => {
        for (;;) {
          if (next < this.parts.length) return { done: false, value: this.parts[next++]! }
          if (this.open === 0) break
          await this.change()
        }
        this.throwFailure()
        return { done: true, value: undefined }
      },
      return: async () => {
        next = Number.POSITIVE_INFINITY
        this.cancel()
        return { done: true, value: undefined }
      },
    }
  }

  private async whole(): Promise<R> {
    while (this.open > 0) await this.change()
    this.throwFailure()
    return this.collect(this.runs.map((run) => run.result!))
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure
  }

  private push(part: Part): void {
    this.parts.push(part)
    this.wake()
  }

  /** One prompt's failure ends its siblings: their results could not be returned. */
  private settle(run: PromptRun): void {
    this.open--
    if (run.failure && this.failure === undefined) {
      this.failure = run.failure
      this.cancel()
    }
    this.wake()
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  private wake(): void {
    if (this.waiters.length === 0) return
    for (const resolve of this.waiters.splice(0)) resolve()
  }
}
