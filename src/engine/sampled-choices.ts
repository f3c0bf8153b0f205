import type { SampledRow, SamplingRow } from '../program/step.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { EngineFinishReason } from './messages.js'
import type { Output } from './output.js'
import type { Prompt } from './prompt.js'
import type { SamplingParameters } from './sampling-parameters.js'
import { decayedTopP, nextTopP, readsHistory, rowsDependOnTokens, samplingRow } from './sampling-row.js'
import { Sequence, type SequenceOptions } from './sequence.js'
import { tokenLogprob } from './token-logprob.js'

const NO_HISTORY = new Int32Array(0)

/** One sample: its line of tokens and what it carries from token to token. */
class Sample extends Sequence {
  cumulativeLogprob = 0

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
  private readonly readsHistory: boolean
  private readonly dependsOnHost: boolean

  constructor(
    private readonly prompt: Prompt,
    private readonly parameters: SamplingParameters,
    private readonly maxTokens: number,
    private readonly output: Output,
    private readonly cache: CacheHandle,
  ) {
    this.width = parameters.n
    this.readsHistory = readsHistory(parameters)
    this.dependsOnHost = rowsDependOnTokens(parameters)
    const first = this.sample(0)
    // Several samples part where the prompt ends: the host makes them out of one when their first tokens have come.
    if (this.width > 1) first.dependsOnHost = true
    this.sequences = [first]
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
    const history = this.readsHistory ? sample.tokens : NO_HISTORY
    let { topP } = sample
    for (let unknown = 1; unknown < sample.expected; unknown++) topP = decayedTopP(topP, this.parameters)
    const state = { history, promptLength, outputLength: sample.scheduled - promptLength, sampleIndex, topP }
    return samplingRow(this.parameters, state)
  }

  private fanOut(first: Sample): Sample[] {
    this.started = true
    first.dependsOnHost = this.dependsOnHost
    for (let index = 1; index < this.width; index++) {
      const sample = this.sample(index)
      this.cache.share(first, sample, this.prompt.length)
      this.sequences.push(sample)
    }
    return [...this.sequences]
  }

  private sample(index: number): Sample {
    const limit = this.prompt.length + Math.max(0, this.maxTokens - 1)
    return new Sample(this.prompt.ids, index, this.parameters.topP, { limit, dependsOnHost: this.dependsOnHost })
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
    else if (sample.known - this.prompt.length >= this.maxTokens) this.end(sample, 'length')
  }

  private end(sample: Sample, reason: EngineFinishReason, stopId?: number): void {
    this.sequences.splice(this.sequences.indexOf(sample), 1)
    this.cache.retire(sample, sample.index === 0 ? sample.scheduled : 0)
    this.output.finish(sample.index, reason, stopId === undefined ? {} : { stopId })
  }
}
