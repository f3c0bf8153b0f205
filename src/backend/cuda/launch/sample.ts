import { WarplineError } from '../../../errors.js'
import type { Sample } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { type Address, ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'

export const SAMPLE_PARAMS = struct({
  logits: 'pointer',
  requests: 'pointer',
  results: 'pointer',
  tokens: 'pointer',
  vocabulary: 'i32',
  parts: 'i32',
  unit: 'f32',
})

/** What `sample` reads and writes besides logits; the first two as SamplingRecords lays them out. */
export interface SamplingPlaces {
  readonly records: Address
  readonly results: Address
  /** i32 [rows]: chosen tokens, -1 where there is none. */
  readonly tokens: Address
}

/** `THREADS` and `MOST_PARTS` of native/cuda/sample/team.cuh. */
const THREADS = 512
const MOST_PARTS = 8
/** Less of a row than this is not worth another block: 16 numbers a thread. */
const LEAST_PART = 16 * THREADS
/** Weights are whole numbers of 64 bits; sums of a vocabulary of them must fit. */
const WEIGHT_BITS = 44
const SUM_BITS = 63

export function sampleLaunches(op: Sample, at: Places, sampling: SamplingPlaces, sizes: StepSizes): Launch[] {
  const rows = at.rowsOf(op.logits, sizes)
  if (rows === 0) return []
  const vocabulary = at.widthOf(op.logits)
  const idBits = Math.ceil(Math.log2(vocabulary + 1))
  if (idBits > 26) {
    throw new WarplineError(
      'program-invalid',
      `the vocabulary has ${vocabulary} tokens; at most ${2 ** 26 - 1} can be sampled`,
    )
  }
  const parts = partsFor(rows, vocabulary, at)
  const parameters = parametersOf(SAMPLE_PARAMS, {
    logits: at.of(op.logits),
    requests: sampling.records,
    results: sampling.results,
    tokens: sampling.tokens,
    vocabulary,
    parts,
    unit: 2 ** Math.min(WEIGHT_BITS, SUM_BITS - idBits),
  })
  return [
    {
      module: 'sample',
      kernel: 'sample',
      grid: [rows * parts, 1, 1],
      threads: THREADS,
      ...(parts > 1 && { cluster: parts }),
      parameters,
    },
  ]
}

/**
 * Blocks that share a row: as many as keep the device busy. Results do not depend on it, so that it may follow the number of
 * rows in deterministic mode too.
 */
function partsFor(rows: number, vocabulary: number, at: Places): number {
  if (at.device.architecture < 90) return 1
  let parts = 1
  while (
    parts < MOST_PARTS &&
    rows * parts * 2 <= at.device.multiprocessors &&
    ceilDiv(vocabulary, parts * 2) >= LEAST_PART
  ) {
    parts *= 2
  }
  return parts
}
