import type { SampledRow, SamplingRow } from '../../program/step.js'
import { sample } from '../reference/sample.js'
import { asksForEdits, processLogits } from '../reference/sampling/distribution.js'
import { uniform } from '../reference/sampling/philox.js'
import { SAMPLE_FAILURES, SAMPLED, SAMPLING, SAMPLING_MODE } from './abi.js'
import type { Address } from './library.js'
import type { NativeMemory, Region } from './native-memory.js'

/**
 * Who samples a row.
 *
 * `native`: the kernel, as part of the step: greedy and drawn tokens with any of temperature, top-k, top-p and min-p,
 * beams, scores, log-probabilities, all of them under a mask. `processed`: penalties, biases and bans come first; they touch few tokens by rules that
 * src/backend/reference spells out, so its code edits a copy of the row and the kernel draws from that, in a short second
 * run. `reference`: beams with such rules, whose candidates are ranked by edited log-probabilities.
 *
 * So there is one definition of every rule, and no pass over a vocabulary in JavaScript but for rows that have one edited.
 */
type Way = 'native' | 'processed' | 'reference'

function wayOf(row: SamplingRow): Way {
  if (row.mode === 'score' || !asksForEdits(row)) return 'native'
  return row.mode === 'draw' ? 'processed' : 'reference'
}

/** What a run of the sample command is about to be given, and what it left. */
export class Sampling {
  readonly rows: Address
  readonly results: Address
  private readonly requestView: DataView
  private readonly resultView: DataView
  private ways: Way[] = []
  private sampled: SampledRow[] = []
  /** Lists of a step: ids, log-probabilities, ranks and raw log-probabilities, one behind the other. */
  private lists: Region
  private processed: Region | undefined
  private masks: Region | undefined

  constructor(
    private readonly memory: NativeMemory,
    maxRows: number,
    private readonly vocabulary: number,
  ) {
    const requests = memory.allocate(maxRows * SAMPLING.bytes)
    const results = memory.allocate(maxRows * SAMPLED.bytes)
    this.rows = requests.address
    this.results = results.address
    this.requestView = new DataView(requests.buffer())
    this.resultView = new DataView(results.buffer())
    this.lists = memory.allocate(0)
  }

  /** Before the step. */
  prepare(rows: readonly SamplingRow[]): void {
    this.ways = rows.map(wayOf)
    this.sampled = []
    this.makeRoom(rows)
    const masks = this.writeMasks(rows)
    let place = 0
    rows.forEach((row, i) => {
      const native = this.ways[i] === 'native'
      const allowed = native ? masks[i] : undefined
      this.request(row, i, native ? SAMPLING_MODE[row.mode] : SAMPLING_MODE.skip, place, { allowed })
      place += this.length(row)
    })
  }

  /**
   * After the step: `logits` of all rows. True where some rows were edited, so that the sample command must run again
   * before `collect`.
   */
  edit(rows: readonly SamplingRow[], logits: () => Float32Array): boolean {
    const edited = this.ways.filter((way) => way === 'processed').length
    if (this.ways.every((way) => way === 'native')) return false
    const values = logits()
    if (edited > 0) this.makeProcessedRoom(edited)
    let place = 0
    let next = 0
    rows.forEach((row, i) => {
      const way = this.ways[i]!
      const own = values.subarray(i * this.vocabulary, (i + 1) * this.vocabulary)
      this.take(row, i, place)
      if (way === 'reference') this.sampled[i] = sample(own, this.vocabulary, [row])[0]!
      const processed = way === 'processed' ? this.writeProcessed(processLogits(own, row), next++) : undefined
      this.request(row, i, processed === undefined ? SAMPLING_MODE.skip : SAMPLING_MODE.draw, place, { processed })
      place += this.length(row)
    })
    return edited > 0
  }

  collect(rows: readonly SamplingRow[]): SampledRow[] {
    let place = 0
    rows.forEach((row, i) => {
      if (!this.sampled[i]) this.sampled[i] = this.read(row, i, place)
      place += this.length(row)
    })
    return this.sampled
  }

  /** A native row's result is read before a second run, which skips it. */
  private take(row: SamplingRow, index: number, place: number): void {
    if (this.ways[index] === 'native') this.sampled[index] = this.read(row, index, place)
  }

  private top({ topLogprobs }: SamplingRow): number {
    return Math.min(topLogprobs, this.vocabulary)
  }

  private candidates({ mode, candidates }: SamplingRow): number {
    return mode === 'beam' ? Math.min(candidates, this.vocabulary) : 0
  }

  private length(row: SamplingRow): number {
    return this.top(row) + this.candidates(row)
  }

  private makeRoom(rows: readonly SamplingRow[]): void {
    const bytes = rows.reduce((sum, row) => sum + this.length(row), 0) * 16
    if (bytes <= this.lists.bytes) return
    this.memory.release(this.lists)
    this.lists = this.memory.allocate(bytes)
  }

  private makeProcessedRoom(rows: number): void {
    const bytes = rows * this.vocabulary * 4
    if (this.processed && bytes <= this.processed.bytes) return
    if (this.processed) this.memory.release(this.processed)
    this.processed = this.memory.allocate(bytes)
  }

  private writeProcessed(logits: Float32Array, place: number): Address {
    const offset = place * this.vocabulary * 4
    new Float32Array(this.processed!.buffer(), offset, this.vocabulary).set(logits)
    return this.processed!.address + BigInt(offset)
  }

  /** Copies the masks of native rows, each array once; where each row's lies. */
  private writeMasks(rows: readonly SamplingRow[]): (Address | undefined)[] {
    const places = new Map<Uint32Array, number>()
    const native = (row: SamplingRow, i: number) => this.ways[i] === 'native' && row.allowed !== undefined
    for (const row of rows.filter(native)) if (!places.has(row.allowed!)) places.set(row.allowed!, places.size)
    if (places.size === 0) return []
    const words = Math.ceil(this.vocabulary / 32)
    const bytes = places.size * words * 4
    if (!this.masks || bytes > this.masks.bytes) {
      if (this.masks) this.memory.release(this.masks)
      this.masks = this.memory.allocate(bytes)
    }
    const buffer = this.masks.buffer()
    for (const [mask, place] of places) new Uint32Array(buffer, place * words * 4, words).set(mask)
    const { address } = this.masks
    return rows.map((row, i) => (native(row, i) ? address + BigInt(places.get(row.allowed!)! * words * 4) : undefined))
  }

  private request(
    row: SamplingRow,
    index: number,
    mode: number,
    place: number,
    { processed, allowed }: { processed?: Address | undefined; allowed?: Address | undefined },
  ): void {
    // Four lists of 4-byte numbers for each row, its own ones side by side.
    const start = this.lists.address + BigInt(place * 16)
    const list = (which: number) => start + BigInt(which * this.length(row) * 4)
    const candidatesOnly = BigInt(this.top(row) * 4)
    SAMPLING.write(this.requestView, index * SAMPLING.bytes, {
      processed,
      allowed,
      ids: list(0),
      logprobs: list(1),
      ranks: list(2) + candidatesOnly,
      raw_logprobs: list(3) + candidatesOnly,
      uniform: row.temperature > 0 ? uniform(row.seedLow, row.seedHigh, row.position, row.sampleIndex) : 0,
      top_p: row.topP,
      min_p: row.minP,
      temperature: row.temperature,
      mode,
      top_k: Math.min(row.topK, this.vocabulary),
      top: this.top(row),
      candidates: this.candidates(row),
      report: row.logprobs ? 1 : 0,
      target: row.target,
    })
  }

  private read(row: SamplingRow, index: number, place: number): SampledRow {
    const at = index * SAMPLED.bytes
    const integer = (field: keyof typeof SAMPLED.offsets) => this.resultView.getInt32(at + SAMPLED.offsets[field], true)
    const failure = SAMPLE_FAILURES[integer('failure')]
    const length = this.length(row)
    const top = failure ? 0 : integer('top')
    const candidates = failure ? 0 : integer('candidates')
    const first = this.top(row)
    const buffer = this.lists.buffer()
    const ids = new Int32Array(buffer, place * 16, length)
    const logprobs = new Float32Array(buffer, place * 16 + length * 4, length)
    const ranks = new Int32Array(buffer, place * 16 + length * 8, length)
    const raw = new Float32Array(buffer, place * 16 + length * 12, length)
    return {
      token: integer('token'),
      ...(failure && { failure }),
      logprob: this.resultView.getFloat32(at + SAMPLED.offsets.logprob, true),
      rank: integer('rank'),
      topIds: ids.slice(0, top),
      topLogprobs: logprobs.slice(0, top),
      candidateIds: ids.slice(first, first + candidates),
      candidateLogprobs: logprobs.slice(first, first + candidates),
      ...(row.mode === 'beam' &&
        row.logprobs &&
        !failure && {
          candidateRawLogprobs: raw.slice(first, first + candidates),
          candidateRanks: ranks.slice(first, first + candidates),
        }),
    }
  }
}
