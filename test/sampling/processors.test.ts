import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { distribution } from '../../src/backend/reference/sampling/distribution.js'
import { DEFAULT_SAMPLING, type SamplingParameters } from '../../src/engine/sampling-parameters.js'
import { SamplingRows } from '../../src/engine/sampling-row.js'

interface Case {
  readonly name: string
  readonly processors: readonly Processor[]
  readonly prompt: readonly number[]
  readonly generated: readonly number[]
  readonly logits: readonly number[]
  readonly probabilities: readonly number[]
  readonly tied?: readonly number[]
}

type Processor = { readonly kind: string } & Record<string, unknown>

const { cases }: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../fixtures/processors.json', import.meta.url), 'utf8'),
)

/** What the logits processors of transformers are called here. */
function parameter(processor: Processor, promptLength: number): Partial<SamplingParameters> {
  const value = processor[processor.kind]
  const stopIds = (processor.eos_token_id ?? []) as number[]
  switch (processor.kind) {
    case 'temperature':
      return { temperature: value as number }
    case 'top_k':
      return { topK: value as number }
    case 'top_p':
      return { topP: value as number }
    case 'min_p':
      return { minP: value as number }
    case 'repetition_penalty':
      return { repetitionPenalty: value as number }
    case 'presence_frequency':
      return { presencePenalty: processor.presence as number, frequencyPenalty: processor.frequency as number }
    case 'no_repeat_ngram':
      return { noRepeatNgramSize: processor.size as number }
    case 'bad_words':
      return { badWordsIds: value as number[][], stopIds }
    case 'min_length':
      return { minTokens: Math.max(0, (value as number) - promptLength), stopIds }
    case 'min_new_tokens':
      return { minTokens: value as number, stopIds }
    case 'sequence_bias':
      return { logitBias: new Map((value as [[number], number][]).map(([[id], bias]) => [id, bias])) }
    default:
      throw new Error(`no such processor: ${processor.kind}`)
  }
}

function ours({ processors, prompt, generated, logits }: Case): Float32Array {
  const given = processors.map((processor) => parameter(processor, prompt.length))
  const parameters: SamplingParameters = Object.assign({ ...DEFAULT_SAMPLING, temperature: 1 }, ...given)
  const row = new SamplingRows(parameters).row({
    history: Int32Array.of(...prompt, ...generated),
    promptLength: prompt.length,
    outputLength: generated.length,
    sampleIndex: 0,
    topP: parameters.topP,
  })
  return distribution(Float32Array.from(logits), row)
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - value) < 1e-6, `place ${i}: ${actual[i]}, and transformers has ${value}`)
    if (value === 0) assert.ok(actual[i]! < 1e-30, `place ${i}: ${actual[i]} is not removed`)
  }
}

for (const each of cases) {
  test(`distribution as of transformers: ${each.name}`, () => {
    const actual = [...ours(each)]
    const tied = new Set(each.tied)
    const apart = [...actual.keys()].filter((id) => !tied.has(id))
    assertClose(
      apart.map((id) => actual[id]!),
      apart.map((id) => each.probabilities[id]!),
    )
    const among = (list: readonly number[]) => [...tied].map((id) => list[id]!).sort()
    assertClose(among(actual), among(each.probabilities))
  })
}
