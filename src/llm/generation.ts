import type { PromptRun } from './prompt-run.js'
import type { Part, Result } from './result.js'

/**
 * A call to `generate` or `chat`, already running. Iterate over it for the parts of the stream, or await it for the
 * whole result (an array of results for an array of prompts). Leaving a loop early cancels what still runs.
 */
export class Generation<R extends Result | Result[]> implements AsyncIterable<Part>, PromiseLike<R> {
  private readonly parts: Part[] = []
  private readonly waiters: (() => void)[] = []
  private failure: unknown
  private runs: readonly PromptRun[] = []

  /**
   * `start` begins the runs; what it throws is thrown to whoever consumes the generation.
   * @internal
   */
  constructor(
    start: (on: { part: (part: Part) => void; end: () => void }) => readonly PromptRun[],
    private readonly collect: (results: Result[]) => R,
  ) {
    const end = () => this.settle()
    try {
      this.runs = start({ part: (part) => this.push(part), end })
    } catch (error) {
      this.failure = error
    }
  }

  /** Ends everything that still runs; choices end with finishReason `cancelled`. */
  cancel(): void {
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

  async *[Symbol.asyncIterator](): AsyncGenerator<Part, void, undefined> {
    try {
      for (let next = 0; ; ) {
        while (next < this.parts.length) yield this.parts[next++]!
        if (this.done) break
        await this.change()
      }
      this.throwFailure()
    } finally {
      this.cancel()
    }
  }

  private get done(): boolean {
    return this.failure !== undefined || this.runs.every((run) => run.ended)
  }

  private async whole(): Promise<R> {
    while (!this.done) await this.change()
    this.throwFailure()
    return this.collect(this.runs.map((run) => run.result!))
  }

  private throwFailure(): void {
    const failed = this.failure ?? this.runs.find((run) => run.failure)?.failure
    if (failed !== undefined) throw failed
  }

  private push(part: Part): void {
    this.parts.push(part)
    this.wake()
  }

  /** One prompt's failure ends its siblings: their results could not be returned. */
  private settle(): void {
    if (this.runs.some((run) => run.failure)) this.cancel()
    this.wake()
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  private wake(): void {
    for (const resolve of this.waiters.splice(0)) resolve()
  }
}
