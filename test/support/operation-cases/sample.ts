import { sample } from '../../../src/backend/reference/sample.js'
import type { SampledRow, SamplingRow } from '../../../src/program/step.js'
import * as naive from '../naive.js'
import { GREEDY_ROW } from '../steps.js'
import { CaseBuilder } from './builder.js'
import type { OperationCase } from './case.js'

const ROWS = 7
const INPUTS = 16

/** The likeliest token, its rank and log-probabilities, straight from the definition. */
const greedy = sampleCase('greedy with log-probabilities', { logprobs: true, topLogprobs: 3 }, 61, (logits) => {
  const p = naive.softmax(logits)
  const best = naive.topK(logits, 3)
  const none = { candidateIds: new Int32Array(0), candidateLogprobs: new Float32Array(0) }
  const topLogprobs = Float32Array.from(best, (id) => Math.log(p[id]!))
  return {
    token: best[0]!,
    rank: 1,
    logprob: Math.log(p[best[0]!]!),
    topIds: Int32Array.from(best),
    topLogprobs,
    ...none,
  }
})

/**
 * What `sample` makes of logits is defined by the reference backend, so that these cases hold its own results against a
 * backend: here they show that it got the right logits and records, elsewhere that it computes the same.
 */
export const sampleCases: OperationCase[] = [
  greedy,
  ...(
    [
      ['temperature', { temperature: 0.8 }],
      ['top-k', { temperature: 1, topK: 5 }],
      ['top-p', { temperature: 1.3, topP: 0.7 }],
      ['min-p', { temperature: 1.3, minP: 0.1 }],
      ['every filter', { temperature: 0.9, topK: 20, topP: 0.9, minP: 0.02, logprobs: true, topLogprobs: 5 }],
      ['penalties', { repetitionPenalty: 1.4, presencePenalty: 0.3, frequencyPenalty: 0.2, promptLength: 4 }],
      ['bias and bans', { biasIds: Int32Array.of(3, 9), biasValues: Float32Array.of(2, -2), banned: Int32Array.of(5) }],
      ['bad words', { badWords: [[7], [2, 4], [4, 1, 8]] }],
      ['n-grams', { noRepeatNgram: 2 }],
      ['beam', { mode: 'beam', candidates: 6, repetitionPenalty: 1.2 }],
      ['score', { mode: 'score', target: 11, logprobs: true, topLogprobs: 2 }],
    ] as const
  ).flatMap(([name, fields]) => [17, 1031].map((vocabulary) => sampleCase(name, fields, vocabulary))),
]

function sampleCase(
  name: string,
  fields: Partial<SamplingRow>,
  vocabulary: number,
  expect?: (logits: number[]) => SampledRow,
): OperationCase {
  const rows = Array.from({ length: ROWS }, (_, r): SamplingRow => {
    const history = Int32Array.of(1, 2, 4, 1, 2, (r * 3) % 17, 2)
    return { ...GREEDY_ROW, seedLow: 77, seedHigh: 3, position: 40 + r, sampleIndex: r % 2, history, ...fields }
  })
  return {
    operation: 'sample',
    name: `sample ${name}, ${vocabulary} tokens`,
    bound: 1e-5,
    build(storage) {
      // Logits are float32 in every program, however the rest is stored.
      const b = new CaseBuilder(
        { ...storage, weightType: 'f32', activationType: 'f32' },
        [ROWS],
        vocabulary + name.length,
      )
      const x = naive.matrix(b.rowOperand('x', INPUTS), INPUTS)
      const weight = naive.matrix(b.weight('weight', [vocabulary, INPUTS]), INPUTS)
      const logits = naive.linear(x, weight)
      b.activation('logits', 'rows', vocabulary)
      b.add({ kind: 'logits', x: 'x', weight: 'weight', out: 'logits' })
      b.program.buffer({ name: 'sampled', kind: 'output', dtype: 'record', shape: ['rows'] })
      b.add({ kind: 'sample', logits: 'logits', sampling: b.input('sampling'), out: 'sampled' })
      const sampled = expect ? logits.map(expect) : sample(Float32Array.from(logits.flat()), vocabulary, rows)
      const options = { want: 'hidden', sampling: (r: number) => rows[r] ?? GREEDY_ROW } as const
      return b.finishOne({ hidden: 'x.tokens', logits: 'logits' }, [{ sampled }], options)
    },
  }
}
