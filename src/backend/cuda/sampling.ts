import { WarplineError } from '../../errors.js'
import type { SampledRow, SamplingRow } from '../../program/step.js'
import { EditList } from './sampling/edits.js'
import { SAMPLE_EDIT, SAMPLE_FAILURES, SAMPLE_MODE, SAMPLE_REQUEST, SAMPLE_RESULT } from './sampling/records.js'

/**
 * Sampling rows as the kernel reads them, and its results as rows: see native/cuda/sample/record.cuh. Requests are one block of
 * bytes, records first and their lists of edits and masks behind, for one copy to the device; so are results. Places
 * inside both are offsets, so that neither needs a fixed address.
 */
export interface SamplingLayout {
  /** Bytes of requests that are used, and of results that the device writes. */
  readonly requestBytes: number
  readonly resultBytes: number
  /** Where each row's lists begin among the results. */
  readonly listsAt: readonly number[]
}

/** What a row may be with masks: [ceil(vocabulary / 32)] words, a bit for each token that may be chosen. */
type MaskedRow = SamplingRow & { readonly allowed?: Uint32Array }

/** Temperatures below this are this: weights of all tokens but the best are 0 long before. */
const LEAST_TEMPERATURE = 1e-37
const MOST_TEMPERATURE = 1e37

/** Packs and reads the sampling rows of one vocabulary's steps. */
export class SamplingRecords {
  private readonly edits: EditList

  constructor(private readonly vocabulary: number) {
    this.edits = new EditList(vocabulary)
  }

  /** Bytes that `pack` needs at most for these rows, and that the kernel's results take. */
  bytesFor(rows: readonly SamplingRow[], records: number): { readonly requests: number; readonly results: number } {
    let requests = records * SAMPLE_REQUEST.bytes
    let results = records * SAMPLE_RESULT.bytes
    for (const row of rows) {
      requests += this.mostEdits(row) * SAMPLE_EDIT.bytes + 16 + ((row as MaskedRow).allowed?.byteLength ?? 0)
      results += this.listBytes(row)
    }
    return { requests, results }
  }

  /**
   * Writes `rows` to the beginning of `buffer`, whose length `bytesFor` tells. There are `records` records, as many as the
   * step was captured for: those without a row are skipped by the kernel.
   */
  pack(rows: readonly SamplingRow[], records: number, buffer: Uint8Array): SamplingLayout {
    if (rows.length > records) {
      throw new WarplineError('step-invalid', `${rows.length} sampling rows do not fit a step of ${records}`)
    }
    const words = new Words(buffer)
    words.clear(records * SAMPLE_REQUEST.bytes)
    let requestBytes = records * SAMPLE_REQUEST.bytes
    let resultBytes = records * SAMPLE_RESULT.bytes
    const listsAt: number[] = []
    const masks = new Map<Uint32Array, number>()
    rows.forEach((row, i) => {
      const at = i * SAMPLE_REQUEST.bytes
      listsAt.push(resultBytes)
      this.writeRequest(words, at, row, resultBytes)
      resultBytes += this.listBytes(row)
      if (row.mode === 'score') return
      requestBytes = this.writeEdits(words, at, row, requestBytes)
      requestBytes = writeMask(words, at, row, requestBytes, masks)
    })
    return { requestBytes, resultBytes, listsAt }
  }

  /** Results that the kernel left for `rows`, which were packed with `layout`. */
  read(rows: readonly SamplingRow[], layout: SamplingLayout, bytes: Uint8Array): SampledRow[] {
    const words = new Words(bytes)
    return rows.map((row, i) => this.readRow(words, i, row, layout.listsAt[i]!))
  }

  private writeRequest(words: Words, at: number, row: SamplingRow, listsAt: number): void {
    const { offsets } = SAMPLE_REQUEST
    const { doubles, floats, integers } = words
    doubles[(at + offsets.top_p) / 8] = row.topP
    doubles[(at + offsets.repetition) / 8] = row.repetitionPenalty
    doubles[(at + offsets.presence) / 8] = row.presencePenalty
    doubles[(at + offsets.frequency) / 8] = row.frequencyPenalty
    integers[(at + offsets.mode) / 4] = SAMPLE_MODE[row.mode]
    floats[(at + offsets.inverse_temperature) / 4] = inverseTemperature(row.temperature)
    integers[(at + offsets.top_k) / 4] = row.topK >= this.vocabulary ? 0 : row.topK
    floats[(at + offsets.log_min_p) / 4] = row.minP > 0 ? Math.log(row.minP) : -Infinity
    integers[(at + offsets.seed_low) / 4] = row.seedLow
    integers[(at + offsets.seed_high) / 4] = row.seedHigh
    integers[(at + offsets.position) / 4] = row.position
    integers[(at + offsets.sample_index) / 4] = row.sampleIndex
    integers[(at + offsets.report) / 4] = row.logprobs ? 1 : 0
    integers[(at + offsets.target) / 4] = row.target
    integers[(at + offsets.top) / 4] = this.top(row)
    integers[(at + offsets.candidates) / 4] = this.candidates(row)
    integers[(at + offsets.lists_at) / 4] = listsAt
  }

  private writeEdits(words: Words, at: number, row: SamplingRow, end: number): number {
    const { edits } = this
    edits.collect(row)
    if (edits.length === 0) return end
    const { offsets } = SAMPLE_EDIT
    for (let i = 0; i < edits.length; i++) {
      const to = end + i * SAMPLE_EDIT.bytes
      words.integers[(to + offsets.id) / 4] = edits.ids[i]!
      words.integers[(to + offsets.count_and_flags) / 4] = edits.counts[i]!
      words.floats[(to + offsets.bias) / 4] = edits.biases[i]!
    }
    words.integers[(at + SAMPLE_REQUEST.offsets.edits_at) / 4] = end
    words.integers[(at + SAMPLE_REQUEST.offsets.edits) / 4] = edits.length
    return end + edits.length * SAMPLE_EDIT.bytes
  }

  private readRow(words: Words, index: number, row: SamplingRow, listsAt: number): SampledRow {
    const at = index * SAMPLE_RESULT.bytes
    const integer = (field: keyof typeof SAMPLE_RESULT.offsets) =>
      words.integers[(at + SAMPLE_RESULT.offsets[field]) / 4]!
    const failure = SAMPLE_FAILURES[integer('failure')]
    const top = failure ? 0 : integer('top')
    const candidates = failure ? 0 : integer('candidates')
    const first = this.top(row)
    const length = first + this.candidates(row)
    const ids = listsAt / 4
    const logprobs = ids + length
    const ranks = logprobs + length
    const raw = ranks + this.candidates(row)
    const { integers, floats } = words
    return {
      token: integer('token'),
      ...(failure && { failure }),
      logprob: words.floats[(at + SAMPLE_RESULT.offsets.logprob) / 4]!,
      rank: integer('rank'),
      topIds: integers.slice(ids, ids + top),
      topLogprobs: floats.slice(logprobs, logprobs + top),
      candidateIds: integers.slice(ids + first, ids + first + candidates),
      candidateLogprobs: floats.slice(logprobs + first, logprobs + first + candidates),
      ...(row.mode === 'beam' &&
        row.logprobs &&
        !failure && {
          candidateRawLogprobs: floats.slice(raw, raw + candidates),
          candidateRanks: integers.slice(ranks, ranks + candidates),
        }),
    }
  }

  private top({ topLogprobs }: SamplingRow): number {
    return Math.min(topLogprobs, this.vocabulary)
  }

  private candidates({ mode, candidates }: SamplingRow): number {
    return mode === 'beam' ? Math.min(candidates, this.vocabulary) : 0
  }

  /** Ids and log-probabilities of the lists; ranks and raw log-probabilities of candidates. */
  private listBytes(row: SamplingRow): number {
    return (this.top(row) + 2 * this.candidates(row)) * 8
  }

  private mostEdits(row: SamplingRow): number {
    if (row.mode === 'score') return 0
    const { history, biasIds, banned, badWords } = row
    return Math.min(this.vocabulary, 2 * history.length + biasIds.length + banned.length + badWords.length)
  }
}

/** One buffer by words of each type. */
class Words {
  readonly integers: Int32Array
  readonly floats: Float32Array
  readonly doubles: Float64Array

  constructor(bytes: Uint8Array) {
    this.integers = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / 4))
    this.floats = new Float32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / 4))
    this.doubles = new Float64Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.byteLength / 8))
  }

  clear(bytes: number): void {
    this.integers.fill(0, 0, bytes / 4)
  }
}

function inverseTemperature(temperature: number): number {
  return temperature === 0 ? 0 : 1 / Math.min(Math.max(temperature, LEAST_TEMPERATURE), MOST_TEMPERATURE)
}

/** Rows often share a mask, which is then written once. */
function writeMask(
  words: Words,
  at: number,
  { allowed }: MaskedRow,
  end: number,
  known: Map<Uint32Array, number>,
): number {
  if (!allowed) return end
  const place = known.get(allowed) ?? end
  words.integers[(at + SAMPLE_REQUEST.offsets.allowed_at) / 4] = place
  if (known.has(allowed)) return end
  known.set(allowed, place)
  words.integers.set(allowed, place / 4)
  return place + Math.ceil(allowed.byteLength / 16) * 16
}
