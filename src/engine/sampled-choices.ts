import type { SampledRow, SamplingRow } from '../program/step.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { EngineFinishReason } from './messages.js'
import type { Output } from './output.js'
import type { Prompt } from './prompt.js'
import type { SamplingParameters } from './sampling-parameters.js'
import { decayedTopP, nextTopP, SamplingRows } from './sampling-row.js'
import { Sequence, type SequenceOptions } from './sequence.js'
import { tokenLogprob } from './token-logprob.js'

const NO_HISTORY = new Int32Array(0)

/** One sample: its line of tokens and what it carries from token to token. */
class Sample extends Sequence {
  cumulativeLogprob = 0
  /** Made once, and moved from token to token. */
  row?: SamplingRow

  constructor(
    prompt: Int32Array,
    readonly index: number,
    /** Of the token after the known ones. */
    public topP: number,
    options: SequenceOptions,
  ) {
    super(prompt, options)
  }
}

/** `n` independent samples of one prompt, which is computed once. */
export class SampledChoices implements Decoding {
  readonly lockstep = false
  readonly width: number
  readonly sequences: Sample[]
  started = false
  private readonly rows: SamplingRows

  constructor(
    private readonly prompt: Prompt,
    private readonly parameters: SamplingParameters,
    private readonly maxTokens: number,
    private readonly output: Output,
    private readonly cache: CacheHandle,
  ) {
    this.width = parameters.n
    this.rows = new SamplingRows(parameters)
    const first = this.sample(0)
    // Several samples part where the prompt ends: the host makes them out of one when their first tokens have come.
    if (this.width > 1) first.dependsOnHost = true
    this.sequences = [first]
  }

  get rowsEach(): number {
    if (this.maxTokens === 0) return 0
    return this.started ? 1 : this.width
  }

  ask(sample: Sample, rows: SamplingRow[]): void {
    if (this.rowsEach === 1) rows.push(this.nextRow(sample))
    else for (let index = 0; index < this.rowsEach; index++) rows.push(this.firstRow(index))
  }

  accept(sample: Sample, rows: readonly SampledRow[], first: number): void {
    if (this.maxTokens === 0) {
      this.end(sample, 'length')
      this.output.finishAll('length')
      return
    }
    if (this.started) this.append(sample, rows[first]!)
    else for (const [i, taker] of this.fanOut(sample).entries()) this.append(taker, rows[first + i]!)
  }

  stop(index: number): void {
    const sample = this.sequences.find((each) => each.index === index)
    if (sample && this.started) this.end(sample, 'stop')
  }

  cancel(): void {
    for (const sample of [...this.sequences]) this.end(sample, 'cancelled')
    this.output.finishAll('cancelled')
  }

  abandon(): void {
    for (const sample of this.sequences.splice(0)) this.cache.retire(sample, 0)
  }

  /** Of the first token that sample `sampleIndex` gets. */
  private firstRow(sampleIndex: number): SamplingRow {
    const { ids: history, length: promptLength } = this.prompt
    const { topP } = this.parameters
    return this.rows.row({ history, promptLength, outputLength: 0, sampleIndex, topP })
  }

  private nextRow(sample: Sample): SamplingRow {
    const position = sample.scheduled
    const history = this.rows.readHistory ? sample.tokens : NO_HISTORY
    let { topP } = sample
    for (let unknown = 1; unknown < sample.expected; unknown++) topP = decayedTopP(topP, this.parameters)
    sample.row ??= this.firstRow(sample.index)
    this.rows.move(sample.row, history, position, position - this.prompt.length, topP)
    return sample.row
  }

  private fanOut(first: Sample): Sample[] {
    this.started = true
    first.dependsOnHost = this.rows.dependOnTokens
    for (let index = 1; index < this.width; index++) {
      const sample = this.sample(index)
      this.cache.share(first, sample, this.prompt.length)
      this.sequences.push(sample)
    }
    return [...this.sequences]
  }

  private sample(index: number): Sample {
    const limit = this.prompt.length + Math.max(0, this.maxTokens - 1)
    return new Sample(this.prompt.ids, index, this.parameters.topP, { limit, dependsOnHost: this.rows.dependOnTokens })
  }

  private append(sample: Sample, row: SampledRow): void {
    const { token } = row
    if (row.failure) {
      this.end(sample, 'length')
      return
    }
    sample.append(token)
    sample.topP = nextTopP(sample.topP, token, this.parameters)
    if (this.parameters.logprobs < 0) {
      this.output.tokens(sample.index, [token])
    } else {
      sample.cumulativeLogprob += row.logprob
      this.output.scoredTokens(sample.index, [token], [tokenLogprob(token, row)], sample.cumulativeLogprob)
    }
    if (this.parameters.stopIds.includes(token)) this.end(sample, 'stop', token)
    else if (sample.known - this.prompt.length >= this.maxTokens) this.end(sample, 'length')
  }

  private end(sample: Sample, reason: EngineFinishReason, stopId?: number): void {
    this.sequences.splice(this.sequences.indexOf(sample), 1)
    this.cache.retire(sample, sample.index === 0 ? sample.scheduled : 0)
    this.output.finish(sample.index, reason, stopId === undefined ? {} : { stopId })
  }
}
