import fc from 'fast-check'
import type { EngineOptions } from '../../../src/engine/engine.js'
import type { SamplingParameters } from '../../../src/engine/sampling-parameters.js'
import type { RequestSketch } from './harness.js'

/** Random requests over a small vocabulary: every way of decoding, every option of a row. */
export function requests(vocabulary: number, room: { prompt: number; output: number }) {
  const id = fc.nat(vocabulary - 1)
  const common = {
    maxTokens: fc.oneof(fc.integer({ min: 1, max: room.output }), fc.constant(room.output)),
    minTokens: fc.nat(4),
    stopIds: fc.oneof(fc.constant([]), fc.array(id, { maxLength: 3 })),
    logprobs: fc.integer({ min: -1, max: 2 }),
    promptLogprobs: fc.constantFrom(-1, -1, -1, 2),
    hiddenStates: fc.constantFrom(false, false, false, true),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    noRepeatNgramSize: fc.constantFrom(0, 0, 3),
    seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }
  const samples = fc.record<Partial<SamplingParameters>>({
    ...common,
    n: fc.constantFrom(1, 1, 1, 2, 3),
    temperature: fc.constantFrom(0, 0.7, 1.5),
    topK: fc.constantFrom(0, 5),
    topP: fc.constantFrom(1, 0.8),
    topPDecay: fc.constantFrom(1, 0.7),
    topPMin: fc.constantFrom(0, 0.3),
    topPResetIds: fc.array(id, { maxLength: 4 }),
    presencePenalty: fc.constantFrom(0, 0.5),
    frequencyPenalty: fc.constantFrom(0, 0.5),
  })
  // No row of theirs depends on what was chosen before.
  const plain = samples.map((parameters) => ({
    ...parameters,
    ...{ repetitionPenalty: 1, noRepeatNgramSize: 0, topPResetIds: [], presencePenalty: 0, frequencyPenalty: 0 },
  }))
  const beams = fc
    .record({ ...common, half: fc.integer({ min: 1, max: 2 }), groups: fc.integer({ min: 1, max: 2 }) })
    .chain(({ half, groups, ...rest }) =>
      fc.record<Partial<SamplingParameters>>({
        ...(Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, fc.constant(value)])) as object),
        numBeams: fc.constant(half * groups + (half * groups === 1 ? 1 : 0)),
        numBeamGroups: fc.constant(half * groups === 1 ? 1 : groups),
        numReturn: fc.integer({ min: 1, max: Math.max(2, half * groups) }),
        diversityPenalty: fc.constantFrom(0.3, 1),
        lengthPenalty: fc.constantFrom(0.6, 1, 2),
        earlyStopping: fc.constantFrom<boolean | 'never'>(false, true, 'never'),
      }),
    )
  return fc.record<RequestSketch>({
    prompt: fc.array(id, { minLength: 1, maxLength: room.prompt }),
    parameters: fc.oneof(
      { weight: 3, arbitrary: plain },
      { weight: 2, arbitrary: samples },
      { weight: 2, arbitrary: beams },
    ),
  })
}

/** Blocks without which a request would be refused. */
export function blocksNeeded({ prompt, parameters = {} }: RequestSketch, blockSize: number): number {
  const { n = 1, numBeams = 1, maxTokens = 16 } = parameters
  const shared = Math.floor(prompt!.length / blockSize)
  const own = Math.ceil((prompt!.length + maxTokens - 1) / blockSize) - shared
  return shared + (maxTokens > 1 ? Math.max(n, numBeams) : 1) * own
}

/** Cramped engines: few blocks, small steps. `spare`: blocks beyond what the neediest request must have. */
export const crampedShapes = fc
  .record({
    blockSize: fc.integer({ min: 1, max: 5 }),
    spare: fc.nat(3),
    maxSequences: fc.integer({ min: 4, max: 7 }),
    moreTokens: fc.nat(8),
    moreRows: fc.nat(8),
  })
  .map(({ blockSize, spare, maxSequences, moreTokens, moreRows }) => ({
    spare,
    shape: {
      blockSize,
      maxSequences,
      maxTokens: maxSequences + moreTokens,
      maxRows: maxSequences + moreRows,
    } satisfies Partial<EngineOptions>,
  }))

/** How late each step of an executor that runs ahead is computed (see `AheadExecutor`); null for one that does not. */
export const delays = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }) },
)
