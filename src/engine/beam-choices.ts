import type { SampledRow, SamplingRow } from '../program/step.js'
import { BeamSearch } from './beam-search.js'
import { BeamTrace } from './beam-trace.js'
import type { CacheHandle, Decoding } from './decoding.js'
import type { Guide, GuidedText } from './guide.js'
import type { Output } from './output.js'
import type { Prompt } from './prompt.js'
import type { SamplingParameters } from './sampling-parameters.js'
import { samplingRow } from './sampling-row.js'
import { Sequence } from './sequence.js'

/** A beam search: its beams choose together, share what they have in common, and are only heard at the end. */
export class BeamChoices implements Decoding {
  readonly lockstep = true
  readonly rowsEach = 1
  readonly width: number
  sequences: Sequence[]
  started = false
  private readonly search: BeamSearch
  private readonly trace: BeamTrace | undefined
  private collected: SampledRow[] = []
  /** What a grammar says of each beam. */
  private guided = new Map<Sequence, GuidedText>()

  constructor(
    private readonly prompt: Prompt,
    private readonly parameters: SamplingParameters,
    maxTokens: number,
    private readonly output: Output,
    private readonly cache: CacheHandle,
    private readonly guide?: Guide,
  ) {
    this.width = parameters.numBeams
    this.sequences = [new Sequence(prompt.ids)]
    this.search = new BeamSearch({ ...parameters, maxTokens, eosIds: parameters.stopIds })
    if (parameters.logprobs >= 0) this.trace = new BeamTrace()
    if (guide) this.guided.set(this.sequences[0]!, guide.begin())
  }

  rows(beam: Sequence): SamplingRow[] {
    const promptLength = this.prompt.length
    const outputLength = beam.known - promptLength
    const topP = this.parameters.topP
    const allowed = this.guided.get(beam)?.allowed
    const state = { history: beam.tokens, promptLength, sampleIndex: 0, outputLength, topP, allowed }
    return [samplingRow(this.parameters, state)]
  }

  accept(_beam: Sequence, rows: readonly SampledRow[]): void {
    this.collected.push(...rows)
    if (this.collected.length === this.sequences.length) this.advance()
  }

  /** Hypotheses are heard when all is over: until then there is no choice to stop. */
  stop(): void {}

  cancel(): void {
    this.retireAll(this.prompt.length)
    this.output.finishAll('cancelled')
  }

  abandon(): void {
    this.retireAll(0)
  }

  private advance(): void {
    const rows = this.collected
    this.collected = []
    this.started = true
    for (const [i, beam] of this.sequences.entries()) {
      this.trace?.add(beam.tokens.subarray(this.prompt.length), rows[i]!)
    }
    const { parents, tokens, done } = this.search.step(rows)
    if (done) this.finish()
    else this.reparent(parents, tokens)
  }

  /** A beam's first child goes on in its place; further ones fork from it, and beams without children end. */
  private reparent(parents: Int32Array, tokens: Int32Array): void {
    const before = this.sequences
    const continued = new Set<Sequence>()
    this.sequences = Array.from(parents, (parent) => {
      const beam = before[parent]!
      if (continued.has(beam)) return this.cache.fork(beam)
      continued.add(beam)
      return beam
    })
    for (const beam of before) if (!continued.has(beam)) this.cache.retire(beam, 0)
    for (const [i, beam] of this.sequences.entries()) beam.append(tokens[i]!)
    this.guideOn(
      Array.from(parents, (parent) => before[parent]!),
      tokens,
    )
  }

  /** Running beams end with no end token: those have ended hypotheses. */
  private guideOn(parents: readonly Sequence[], tokens: Int32Array): void {
    const { guide, guided } = this
    if (!guide) return
    this.guided = new Map(this.sequences.map((beam, i) => [beam, guide.extend(guided.get(parents[i]!)!, tokens[i]!)]))
  }

  private finish(): void {
    const hypotheses = this.search.finish()
    this.output.expect(hypotheses.length)
    this.retireAll(this.prompt.length)
    for (const [index, { ids, score, finished }] of hypotheses.entries()) {
      const logprobs = this.trace?.of(ids)
      const cumulativeLogprob = logprobs?.reduce((sum, token) => sum + token.logprob, 0)
      this.output.tokens(index, { ids, ...(logprobs && { logprobs, cumulativeLogprob }) })
      if (finished) this.output.finish(index, 'stop', { score, stopId: ids.at(-1) })
      else this.output.finish(index, 'length', { score })
    }
  }

  /** All beams share the prompt; any of them can leave it to the session. */
  private retireAll(kept: number): void {
    for (const [i, beam] of this.sequences.entries()) this.cache.retire(beam, i === 0 ? kept : 0)
    this.sequences = []
  }
}
