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
  /** Each is asked after every change and says whether its wait is over. */
  private waiters: (() => boolean)[] = []
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
      next: () =>
        new Promise((resolve, reject) => {
          this.wait(() => {
            if (next < this.parts.length) resolve({ done: false, value: this.parts[next++]! })
            else if (this.open > 0) return false
            else if (this.failure !== undefined) reject(this.failure)
            else resolve({ done: true, value: undefined })
            return true
          })
        }),
      return: async () => {
        next = Number.POSITIVE_INFINITY
        this.cancel()
        return { done: true, value: undefined }
      },
    }
  }

  private async whole(): Promise<R> {
    await new Promise<void>((resolve) => {
      this.wait(() => {
        if (this.open === 0) resolve()
        return this.open === 0
      })
    })
    if (this.failure !== undefined) throw this.failure
    return this.collect(this.runs.map((run) => run.result!))
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

  private wait(isOver: () => boolean): void {
    if (!isOver()) this.waiters.push(isOver)
  }

  private wake(): void {
    if (this.waiters.length > 0) this.waiters = this.waiters.filter((isOver) => !isOver())
  }
}
