import type { SampledRow, SamplingRow } from '../program/step.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { Guide, GuidedText } from './guide.js'
import type { EngineFinishReason } from './messages.js'
import type { Output } from './output.js'
import type { Prompt } from './prompt.js'
import type { SamplingParameters } from './sampling-parameters.js'
import { nextTopP, samplingRow } from './sampling-row.js'
import { Sequence } from './sequence.js'
import { tokenLogprob } from './token-logprob.js'

/** One sample: its line of tokens and what it carries from token to token. */
class Sample extends Sequence {
  cumulativeLogprob = 0

  constructor(
    prompt: Int32Array,
    readonly index: number,
    public topP: number,
    /** What a grammar says of the output so far. */
    public guided: GuidedText | undefined,
  ) {
    super(prompt)
  }
}

/** `n` independent samples of one prompt, which is computed once. */
export class SampledChoices implements Decoding {
  readonly lockstep = false
  readonly width: number
  readonly sequences: Sample[]
  started = false
  private readonly beginning: GuidedText | undefined

  constructor(
    private readonly prompt: Prompt,
    private readonly parameters: SamplingParameters,
    private readonly maxTokens: number,
    private readonly output: Output,
    private readonly cache: CacheHandle,
    private readonly guide?: Guide,
  ) {
    this.width = parameters.n
    this.beginning = guide?.begin()
    this.sequences = [this.sample(0)]
  }

  get rowsEach(): number {
    if (this.maxTokens === 0) return 0
    return this.started ? 1 : this.width
  }

  rows(sample: Sample): SamplingRow[] {
    if (this.started) return [this.row(sample, sample.index)]
    return Array.from({ length: this.rowsEach }, (_, index) => this.row(sample, index))
  }

  accept(sample: Sample, rows: readonly SampledRow[]): void {
    if (this.maxTokens === 0) {
      this.end(sample, 'length')
      this.output.finishAll('length')
      return
    }
    if (this.started) this.append(sample, rows[0]!)
    else for (const [i, taker] of this.fanOut(sample).entries()) this.append(taker, rows[i]!)
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

  private row(sample: Sample, sampleIndex: number): SamplingRow {
    const promptLength = this.prompt.length
    const { tokens: history, known, topP, guided } = sample
    const outputLength = known - promptLength
    const state = { history, promptLength, outputLength, sampleIndex, topP, allowed: guided?.allowed }
    return samplingRow(this.parameters, state)
  }

  private fanOut(first: Sample): Sample[] {
    this.started = true
    for (let index = 1; index < this.width; index++) {
      const sample = this.sample(index)
      this.cache.share(first, sample, this.prompt.length)
      this.sequences.push(sample)
    }
    return [...this.sequences]
  }

  private sample(index: number): Sample {
    return new Sample(this.prompt.ids, index, this.parameters.topP, this.beginning)
  }

  private append(sample: Sample, row: SampledRow): void {
    const { token } = row
    if (row.failure) {
      this.end(sample, 'length')
      return
    }
    sample.append(token)
    sample.topP = nextTopP(sample.topP, token, this.parameters)
    const ids = [token]
    if (this.parameters.logprobs < 0) {
      this.output.tokens(sample.index, { ids })
    } else {
      sample.cumulativeLogprob += row.logprob
      const { cumulativeLogprob } = sample
      this.output.tokens(sample.index, { ids, logprobs: [tokenLogprob(token, row)], cumulativeLogprob })
    }
    if (this.parameters.stopIds.includes(token)) this.end(sample, 'stop', token)
    else if (this.textIsOver(sample, token)) this.end(sample, 'stop')
    else if (sample.known - this.prompt.length >= this.maxTokens) this.end(sample, 'length')
  }

  /** The mask for the next token is made here, where the token becomes known, and not when a step is built. */
  private textIsOver(sample: Sample, token: number): boolean {
    if (!this.guide) return false
    sample.guided = this.guide.extend(sample.guided!, token)
    return sample.guided.over
  }

  private end(sample: Sample, reason: EngineFinishReason, stopId?: number): void {
    this.sequences.splice(this.sequences.indexOf(sample), 1)
    this.cache.retire(sample, sample.index === 0 ? sample.scheduled : 0)
    this.output.finish(sample.index, reason, stopId === undefined ? {} : { stopId })
  }
}
