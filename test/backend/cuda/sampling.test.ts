import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  EDIT_FLAGS,
  SAMPLE_EDIT,
  SAMPLE_MODE,
  SAMPLE_REQUEST,
  SAMPLE_RESULT,
} from '../../../src/backend/cuda/sampling/records.js'
import { SamplingRecords } from '../../../src/backend/cuda/sampling.js'
import { processLogits } from '../../../src/backend/reference/sampling/distribution.js'
import type { SamplingRow } from '../../../src/program/step.js'
import { Random } from '../../support/random.js'
import { GREEDY_ROW } from '../../support/steps.js'

const VOCABULARY = 50

/** A buffer of requests by fields. */
class Requests {
  readonly view: DataView

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  integer(row: number, field: keyof typeof SAMPLE_REQUEST.offsets): number {
    return this.view.getInt32(row * SAMPLE_REQUEST.bytes + SAMPLE_REQUEST.offsets[field], true)
  }

  float(row: number, field: keyof typeof SAMPLE_REQUEST.offsets): number {
    return this.view.getFloat32(row * SAMPLE_REQUEST.bytes + SAMPLE_REQUEST.offsets[field], true)
  }

  double(row: number, field: keyof typeof SAMPLE_REQUEST.offsets): number {
    return this.view.getFloat64(row * SAMPLE_REQUEST.bytes + SAMPLE_REQUEST.offsets[field], true)
  }

  edits(row: number): { id: number; count: number; flags: number; bias: number }[] {
    const first = this.integer(row, 'edits_at')
    return Array.from({ length: this.integer(row, 'edits') }, (_, i) => {
      const at = first + i * SAMPLE_EDIT.bytes
      const counts = this.view.getInt32(at + SAMPLE_EDIT.offsets.count_and_flags, true)
      return {
        id: this.view.getInt32(at + SAMPLE_EDIT.offsets.id, true),
        count: counts >> 2,
        flags: counts & 3,
        bias: this.view.getFloat32(at + SAMPLE_EDIT.offsets.bias, true),
      }
    })
  }
}

function packed(rows: readonly SamplingRow[], records = rows.length, vocabulary = VOCABULARY) {
  const sampling = new SamplingRecords(vocabulary)
  const need = sampling.bytesFor(rows, records)
  const bytes = new Uint8Array(need.requests).fill(0xa5)
  const layout = sampling.pack(rows, records, bytes)
  assert.ok(layout.requestBytes <= need.requests)
  assert.equal(layout.resultBytes, need.results)
  return { sampling, layout, requests: new Requests(bytes) }
}

const LARGEST_FLOAT = 3.4028234663852886e38
const limited = (x: number) => Math.fround(Math.min(x, LARGEST_FLOAT))

/** What the kernel makes of logits with a row's edits: native/cuda/sample/edit.cuh, line by line. */
function edited(logits: Float32Array, requests: Requests, row: number): Float32Array {
  const changed = logits.slice()
  const repetition = requests.double(row, 'repetition')
  const presence = requests.double(row, 'presence')
  const frequency = requests.double(row, 'frequency')
  for (const { id, count, flags, bias } of requests.edits(row)) {
    let x = changed[id]!
    if (flags & EDIT_FLAGS.inHistory && repetition !== 1) x = limited(x < 0 ? x * repetition : x / repetition)
    if (count > 0 && (presence !== 0 || frequency !== 0)) x = limited(x - presence - frequency * count)
    if (bias !== 0) x = limited(x + bias)
    changed[id] = flags & EDIT_FLAGS.banned ? -Infinity : x
  }
  return changed
}

const ids = (most: number, least = 0) => fc.array(fc.integer({ min: least, max: VOCABULARY - 1 }), { maxLength: most })

const editingRows: fc.Arbitrary<SamplingRow> = fc
  .record({
    repetitionPenalty: fc.constantFrom(1, 1.3, 0.7),
    presencePenalty: fc.constantFrom(0, 0, 0.4, -0.2),
    frequencyPenalty: fc.constantFrom(0, 0, 0.3, -1e38),
    // -1: a row of a soft prompt.
    history: ids(600, -1).map((list) => Int32Array.from(list)),
    promptLength: fc.nat(20),
    bias: fc.uniqueArray(fc.tuple(fc.nat(VOCABULARY - 1), fc.constantFrom(-100, 0.5, 3e38, -Infinity)), {
      selector: ([id]) => id,
      maxLength: 8,
    }),
    banned: ids(4).map((list) => Int32Array.from(list)),
    badWords: fc.array(fc.array(fc.nat(VOCABULARY - 1), { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
    noRepeatNgram: fc.constantFrom(0, 0, 1, 2, 3),
  })
  .map(({ bias, ...row }) => ({
    ...GREEDY_ROW,
    ...row,
    promptLength: Math.min(row.promptLength, row.history.length),
    biasIds: Int32Array.from(bias, ([id]) => id),
    biasValues: Float32Array.from(bias, ([, value]) => value),
  }))

describe('edits', () => {
  test('applied one by one, they give what the reference makes of the logits', () => {
    const check = fc.property(fc.array(editingRows, { minLength: 1, maxLength: 4 }), fc.nat(), (rows, seed) => {
      const { requests } = packed(rows)
      rows.forEach((row, i) => {
        const logits = new Random(seed + i).floats(VOCABULARY, 9)
        assert.deepEqual(edited(logits, requests, i), processLogits(logits, row))
      })
    })
    fc.assert(check, { numRuns: 200 })
  })

  test('name every token once, however often it stands in the history', () => {
    const history = Int32Array.from({ length: 5000 }, (_, i) => i % 40)
    const { requests } = packed([{ ...GREEDY_ROW, history, repetitionPenalty: 1.1, frequencyPenalty: 1 }])
    const edits = requests.edits(0)
    assert.deepEqual(
      edits.map(({ id }) => id),
      Array.from({ length: 40 }, (_, id) => id),
    )
    assert.ok(edits.every(({ count }) => count === 125))
  })

  test('cost nothing where a row asks for none, and a score has none', () => {
    const history = Int32Array.of(1, 2, 3)
    const score = { ...GREEDY_ROW, mode: 'score' as const, history, repetitionPenalty: 2, banned: Int32Array.of(3) }
    const { requests, layout } = packed([{ ...GREEDY_ROW, history }, score])
    assert.deepEqual([requests.integer(0, 'edits'), requests.integer(1, 'edits')], [0, 0])
    assert.equal(layout.requestBytes, 2 * SAMPLE_REQUEST.bytes)
  })
})

describe('records', () => {
  test('a row that only fills up a captured step is skipped', () => {
    const { requests } = packed([GREEDY_ROW], 4)
    const modes = [0, 1, 2, 3].map((row) => requests.integer(row, 'mode'))
    assert.deepEqual(modes, [SAMPLE_MODE.draw, SAMPLE_MODE.skip, SAMPLE_MODE.skip, SAMPLE_MODE.skip])
  })

  test('more rows than the step was captured for are refused', () => {
    const sampling = new SamplingRecords(VOCABULARY)
    const refused = { code: 'step-invalid' }
    assert.throws(() => sampling.pack([GREEDY_ROW, GREEDY_ROW], 1, new Uint8Array(4096)), refused)
  })

  test('temperatures that float32 cannot hold stay finite and are not taken for greedy', () => {
    const rows = [0, 1e-60, 0.5, 1e60].map((temperature) => ({ ...GREEDY_ROW, temperature }))
    const { requests } = packed(rows)
    const inverse = rows.map((_, i) => requests.float(i, 'inverse_temperature'))
    assert.equal(inverse[0], 0)
    assert.equal(inverse[2], 2)
    for (const i of [1, 3]) assert.ok(inverse[i]! > 0 && Number.isFinite(inverse[i]!), `${inverse[i]}`)
  })

  test('top-k of the whole vocabulary, and min-p of 0, are off', () => {
    const { requests } = packed([
      { ...GREEDY_ROW, topK: VOCABULARY, minP: 0 },
      { ...GREEDY_ROW, topK: VOCABULARY - 1, minP: 1 },
    ])
    assert.deepEqual([requests.integer(0, 'top_k'), requests.float(0, 'log_min_p')], [0, -Infinity])
    assert.deepEqual([requests.integer(1, 'top_k'), requests.float(1, 'log_min_p')], [VOCABULARY - 1, 0])
  })

  test('a mask that rows share is written once', () => {
    const allowed = Uint32Array.of(0xdead_beef, 0x3)
    const rows = [{ ...GREEDY_ROW, allowed }, GREEDY_ROW, { ...GREEDY_ROW, allowed }]
    const { requests } = packed(rows)
    const places = rows.map((_, i) => requests.integer(i, 'allowed_at'))
    assert.equal(places[0], places[2])
    assert.equal(places[1], 0)
    assert.equal(requests.view.getUint32(places[0]!, true), 0xdead_beef)
    assert.equal(requests.view.getUint32(places[0]! + 4, true), 3)
  })
})

/** A results buffer in which every word of row `i`'s lists is known. */
function results(layout: { resultBytes: number; listsAt: readonly number[] }, fill: (view: DataView) => void) {
  const bytes = new Uint8Array(layout.resultBytes)
  fill(new DataView(bytes.buffer))
  return bytes
}

describe('results', () => {
  const beam: SamplingRow = { ...GREEDY_ROW, mode: 'beam', candidates: 3, topLogprobs: 2, logprobs: true }

  test('lists of a beam are read from where the record told the kernel to put them', () => {
    const rows = [{ ...GREEDY_ROW, topLogprobs: 4 }, beam]
    const { sampling, layout, requests } = packed(rows)
    assert.deepEqual(
      layout.listsAt,
      rows.map((_, i) => requests.integer(i, 'lists_at')),
    )
    const bytes = results(layout, (view) => {
      const record = SAMPLE_RESULT.bytes
      for (const [field, value] of [
        ['token', -1],
        ['top', 2],
        ['candidates', 2],
      ] as const)
        view.setInt32(record + SAMPLE_RESULT.offsets[field], value, true)
      view.setFloat32(record + SAMPLE_RESULT.offsets.logprob, Number.NaN, true)
      const at = layout.listsAt[1]!
      for (let i = 0; i < 5; i++) view.setInt32(at + 4 * i, 10 + i, true)
      for (let i = 0; i < 5; i++) view.setFloat32(at + 20 + 4 * i, -i, true)
      for (let i = 0; i < 3; i++) view.setInt32(at + 40 + 4 * i, 7 + i, true)
      for (let i = 0; i < 3; i++) view.setFloat32(at + 52 + 4 * i, -10 - i, true)
    })
    assert.deepEqual(sampling.read(rows, layout, bytes)[1], {
      token: -1,
      logprob: Number.NaN,
      rank: 0,
      topIds: Int32Array.of(10, 11),
      topLogprobs: Float32Array.of(-0, -1),
      candidateIds: Int32Array.of(12, 13),
      candidateLogprobs: Float32Array.of(-2, -3),
      candidateRawLogprobs: Float32Array.of(-10, -11),
      candidateRanks: Int32Array.of(7, 8),
    })
  })

  test('a failure has no lists, and says which it is', () => {
    const { sampling, layout } = packed([beam, beam])
    const bytes = results(layout, (view) => {
      for (const [row, failure] of [1, 2].entries()) {
        const at = row * SAMPLE_RESULT.bytes
        view.setInt32(at + SAMPLE_RESULT.offsets.token, -1, true)
        view.setInt32(at + SAMPLE_RESULT.offsets.failure, failure, true)
        view.setInt32(at + SAMPLE_RESULT.offsets.top, 2, true)
      }
    })
    const read = sampling.read([beam, beam], layout, bytes)
    assert.deepEqual(
      read.map(({ failure, topIds, candidateRanks }) => [failure, topIds.length, candidateRanks]),
      [
        ['logits-not-finite', 0, undefined],
        ['nothing-allowed', 0, undefined],
      ],
    )
  })

  test('what is read stays when the buffer is written again', () => {
    const rows = [{ ...GREEDY_ROW, topLogprobs: 1 }]
    const { sampling, layout } = packed(rows)
    const bytes = results(layout, (view) => {
      view.setInt32(SAMPLE_RESULT.offsets.top, 1, true)
      view.setInt32(layout.listsAt[0]!, 42, true)
    })
    const read = sampling.read(rows, layout, bytes)
    bytes.fill(0)
    assert.deepEqual(read[0]!.topIds, Int32Array.of(42))
  })
})
