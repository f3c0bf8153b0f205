import type { SampledRow, SamplingRow } from '../program/step.js'
import type { TokenLogprob } from './messages.js'
import type { Prompt } from './prompt.js'
import type { SamplingParameters } from './sampling-parameters.js'
import { scoreRow } from './sampling-row.js'
import { tokenLogprob } from './token-logprob.js'

/**
 * What a request asked to know about its prompt, gathered chunk by chunk: log-probabilities of its tokens and final
 * hidden states. A prompt that is computed anew after a preemption is gathered anew, to the same values.
 */
export class PromptReport {
  readonly logprobs?: (TokenLogprob | undefined)[]
  hiddenStates?: Float32Array
  /** Set once all is gathered: a prompt that is computed again later is not gathered again. */
  complete = false
  private readonly wantsHidden: boolean

  constructor(
    private readonly prompt: Prompt,
    private readonly parameters: SamplingParameters,
  ) {
    this.wantsHidden = parameters.hiddenStates
    if (parameters.promptLogprobs >= 0) this.logprobs = Array(prompt.length).fill(undefined)
  }

  /** Whether every token's output is wanted, so that nothing may come from a cache. */
  get wantsAll(): boolean {
    return this.logprobs !== undefined || this.wantsHidden
  }

  /** Whether anything is still being gathered. */
  get gathering(): boolean {
    return this.wantsAll && !this.complete
  }

  /** Whether log-probabilities are still being gathered. */
  get scoring(): boolean {
    return this.logprobs !== undefined && !this.complete
  }

  /** Whether the token's row is wanted for the log-probability of the next: a soft prompt's rows have none. */
  scores(position: number): boolean {
    return this.scoring && position + 1 < this.prompt.length && this.prompt.ids[position + 1]! >= 0
  }

  row(position: number): SamplingRow {
    return scoreRow(this.prompt.ids[position + 1]!, this.parameters.promptLogprobs)
  }

  takeRow(position: number, row: SampledRow): void {
    this.logprobs![position + 1] = tokenLogprob(this.prompt.ids[position + 1]!, row)
  }

  /** Whether the token's hidden state is wanted. */
  wantsHiddenOf(position: number): boolean {
    return this.wantsHidden && !this.complete && position < this.prompt.length
  }

  takeHidden(position: number, hidden: Float32Array): void {
    this.hiddenStates ??= new Float32Array(this.prompt.length * hidden.length)
    this.hiddenStates.set(hidden, position * hidden.length)
  }
}
