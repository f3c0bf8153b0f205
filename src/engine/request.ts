import { isWarplineError } from '../errors.js'
import type { SampledRow } from '../program/step.js'
import { BeamChoices } from './beam-choices.js'
import type { BlockManager } from './block-manager.js'
import type { BlockTable } from './block-table.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { Guide } from './guide.js'
import type { EngineRequest } from './messages.js'
import type { Output } from './output.js'
import type { Work, WorkResults } from './plan.js'
import { Prompt } from './prompt.js'
import { PromptReport } from './prompt-report.js'
import { SampledChoices } from './sampled-choices.js'
import { Sequence } from './sequence.js'
import type { SessionCache } from './session-cache.js'

/** A request on its way: its prompt, how it is decoded, and the blocks of its sequences. */
export class Request implements CacheHandle {
  readonly prompt: Prompt
  readonly report: PromptReport
  readonly decoding: Decoding
  /** Whether all sequences stand on blocks of their own or shared ones, rather than waiting for the first's prompt. */
  private spread = true
  private session: string | undefined

  constructor(
    request: EngineRequest,
    /** What the context leaves of the parameter. */
    maxTokens: number,
    embeddingWidth: number,
    readonly output: Output,
    private readonly blocks: BlockManager,
    private readonly sessions: SessionCache,
    guide?: Guide,
  ) {
    const { parameters } = request
    this.prompt = new Prompt(request.prompt, request.softRows, embeddingWidth)
    this.report = new PromptReport(this.prompt, parameters)
    this.session = request.session
    const Choices = parameters.numBeams > 1 && maxTokens > 0 ? BeamChoices : SampledChoices
    this.decoding = new Choices(this.prompt, parameters, maxTokens, output, this, guide)
  }

  /** The session whose blocks it may begin on. */
  get cachedSession(): string | undefined {
    return this.report.wantsAll ? undefined : this.session
  }

  /** Cuts that session back to what the prompt has in common with it; its blocks, if anything is left. */
  matchSession(): BlockTable | undefined {
    const name = this.cachedSession
    return name === undefined ? undefined : this.sessions.match(name, this.prompt)
  }

  /** Starts, or starts again after a preemption. */
  begin(): void {
    const name = this.cachedSession
    const cached = name === undefined ? 0 : this.sessions.resume(name, this.decoding.sequences[0]!)
    this.output.started(cached)
  }

  forgetSession(name: string): void {
    if (this.session === name) this.session = undefined
  }

  /** Sequences that can be worked on: while the first recomputes the prompt, the others wait for its blocks. */
  get ready(): readonly Sequence[] {
    const { sequences } = this.decoding
    return this.spread ? sequences : sequences.slice(0, 1)
  }

  /** Once the first sequence holds the prompt again, the others begin on its blocks. */
  spreadPrompt(): void {
    const [lead, ...others] = this.decoding.sequences
    if (this.spread || lead!.scheduled < this.prompt.length) return
    for (const sequence of others) this.share(lead!, sequence, this.prompt.length)
    this.spread = true
  }

  /** Gives all blocks back; what they held will be computed again, to the same values. */
  preempt(): void {
    this.output.preemptions++
    this.spread = this.decoding.sequences.length === 1
    for (const sequence of this.decoding.sequences) {
      this.blocks.truncate(sequence.table, 0)
      sequence.scheduled = 0
    }
  }

  /** Takes what a step found out: the one place where requests move on. */
  accept({ sequence, first, count, final }: Work, results: WorkResults): void {
    if (sequence.retired) return
    const failed = results.rows.find((row) => this.isFatal(row))
    if (failed) {
      this.fail(failed.failure!)
      return
    }
    let row = 0
    let state = 0
    if (!this.report.complete) {
      for (let position = first; position < first + count; position++) {
        if (this.report.scores(position)) this.report.takeRow(position, results.rows[row++]!)
        if (this.report.wantsHiddenOf(position)) this.report.takeHidden(position, results.hidden[state++]!)
      }
      if (first + count >= this.prompt.length) this.completePrompt()
    }
    if (final) this.choose(sequence, row === 0 ? results.rows : results.rows.slice(row))
  }

  /** A grammar may turn out to be too much work: that ends this request alone. */
  private choose(sequence: Sequence, rows: readonly SampledRow[]): void {
    try {
      this.decoding.accept(sequence, rows)
    } catch (error) {
      if (!isWarplineError(error) || error.code !== 'grammar-too-complex') throw error
      this.decoding.abandon()
      this.output.fail(error.code, error.message)
    }
  }

  fork(sequence: Sequence): Sequence {
    const fork = new Sequence(sequence.tokens)
    this.share(sequence, fork, sequence.scheduled)
    return fork
  }

  share(from: Sequence, to: Sequence, tokens: number): void {
    to.table = this.blocks.fork(from.table, tokens)
    to.scheduled = tokens
  }

  retire(sequence: Sequence, kept: number): void {
    sequence.retired = true
    const count = Math.min(kept, sequence.scheduled)
    if (this.session !== undefined && count > 0) this.sessions.keep(this.session, this.prompt, sequence, count)
    else this.blocks.truncate(sequence.table, 0)
  }

  private completePrompt(): void {
    this.report.complete = true
    this.output.promptDone(this.report.logprobs, this.report.hiddenStates)
  }

  /** Bans that leave nothing to choose from are a mistake at the start; later on they end one sequence. */
  private isFatal({ failure }: SampledRow): boolean {
    return failure !== undefined && !(failure === 'nothing-allowed' && this.decoding.started)
  }

  private fail(code: keyof typeof FAILURES): void {
    this.decoding.abandon()
    this.output.fail(code, FAILURES[code])
  }
}

const FAILURES = {
  'logits-not-finite':
    'the model computed logits that are not finite numbers; check the checkpoint and the dtype that it runs in',
  'nothing-allowed':
    'bad words, suppressed ids, repeated n-grams and minTokens together leave no token to choose; loosen one of them',
}
