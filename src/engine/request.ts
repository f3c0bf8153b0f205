import type { SampledRow } from '../program/step.js'
import { BeamChoices } from './beam-choices.js'
import type { BlockManager } from './block-manager.js'
import type { BlockTable } from './block-table.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { EngineRequest } from './messages.js'
import type { Output } from './output.js'
import type { StepResults, Work } from './plan.js'
import { Prompt } from './prompt.js'
import { PromptReport } from './prompt-report.js'
import { SampledChoices } from './sampled-choices.js'
import { Sequence } from './sequence.js'
import type { SessionCache } from './session-cache.js'

type Failure = NonNullable<SampledRow['failure']>

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
  ) {
    const { parameters } = request
    this.prompt = new Prompt(request.prompt, request.softRows, embeddingWidth)
    this.report = new PromptReport(this.prompt, parameters)
    this.session = request.session
    const Choices = parameters.numBeams > 1 && maxTokens > 0 ? BeamChoices : SampledChoices
    this.decoding = new Choices(this.prompt, parameters, maxTokens, output, this)
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
    if (this.spread) return
    const [lead, ...others] = this.decoding.sequences
    if (lead!.scheduled < this.prompt.length) return
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
  accept(work: Work, results: StepResults): void {
    const { sequence, final, firstRow, rowCount } = work
    if (final) sequence.expected--
    if (sequence.retired) return
    for (let row = firstRow; row < firstRow + rowCount; row++) {
      const { failure } = results.sampled[row]!
      if (failure === undefined || !this.isFatal(failure)) continue
      this.fail(failure)
      return
    }
    const promptRows = this.report.complete ? 0 : this.acceptPrompt(work, results)
    if (final) this.decoding.accept(sequence, results.sampled, firstRow + promptRows)
  }

  /** Returns how many of the rows were about the prompt. */
  private acceptPrompt({ first, count, firstRow, firstState }: Work, { sampled, stateAt }: StepResults): number {
    let row = firstRow
    let state = firstState
    for (let position = first; position < first + count; position++) {
      if (this.report.scores(position)) this.report.takeRow(position, sampled[row++]!)
      if (this.report.wantsHiddenOf(position)) this.report.takeHidden(position, stateAt(state++))
    }
    if (first + count >= this.prompt.length) this.completePrompt()
    return row - firstRow
  }

  fork(sequence: Sequence): Sequence {
    const fork = new Sequence(sequence.tokens, sequence)
    this.share(sequence, fork, sequence.scheduled)
    return fork
  }

  share(from: Sequence, to: Sequence, tokens: number): void {
    to.table = this.blocks.fork(from.table, tokens)
    to.scheduled = tokens
  }

  retire(sequence: Sequence, kept: number): void {
    sequence.retired = true
    const count = Math.min(kept, sequence.scheduled, sequence.known)
    if (this.session !== undefined && count > 0) this.sessions.keep(this.session, this.prompt, sequence, count)
    else this.blocks.truncate(sequence.table, 0)
  }

  private completePrompt(): void {
    this.report.complete = true
    this.output.promptDone(this.report.logprobs, this.report.hiddenStates)
  }

  /** Bans that leave nothing to choose from are a mistake at the start; later on they end one sequence. */
  private isFatal(failure: Failure): boolean {
    return !(failure === 'nothing-allowed' && this.decoding.started)
  }

  private fail(code: Failure): void {
    this.decoding.abandon()
    this.output.fail(code, FAILURES[code])
  }
}

const FAILURES: Record<Failure, string> = {
  'logits-not-finite':
    'the model computed logits that are not finite numbers; check the checkpoint and the dtype that it runs in',
  'nothing-allowed':
    'bad words, suppressed ids, repeated n-grams and minTokens together leave no token to choose; loosen one of them',
}
