import assert from 'node:assert/strict'
import type { Backend, ExecutorOptions } from '../../../src/backend/executor.js'
import type { SampledRow, StepOutputs } from '../../../src/program/step.js'
import { type BuiltCase, boundFor, type CaseStorage, type ExpectedStep, errorOf, type OperationCase } from './case.js'

/** Runs the stale step and then each step of a case. */
export async function runCase(
  backend: Pick<Backend, 'createExecutor'>,
  built: BuiltCase,
  { blockSize }: CaseStorage,
  extra: Partial<ExecutorOptions> = {},
): Promise<StepOutputs[]> {
  const { program, weights, blocks, maxTokens, maxRows } = built
  const executor = await backend.createExecutor({ program, weights, blocks, blockSize, maxTokens, maxRows, ...extra })
  try {
    await executor.step(built.stale)
    const outputs: StepOutputs[] = []
    for (const step of built.steps) outputs.push(await executor.step(step))
    return outputs
  } finally {
    await executor.close()
  }
}

/** Runs a case on a backend and compares with what it expects. */
export async function checkCase(
  backend: Backend,
  operationCase: OperationCase,
  storage: CaseStorage,
  extra: Partial<ExecutorOptions> = {},
): Promise<void> {
  const built = operationCase.build(storage)
  const outputs = await runCase(backend, built, storage, extra)
  compareOutputs(outputs, built.expected, boundFor(operationCase, built, storage))
}

/** Expected values may also be another backend's outputs. */
export function compareOutputs(
  outputs: readonly StepOutputs[],
  expected: readonly ExpectedStep[],
  bound: number,
): void {
  expected.forEach((wanted, step) => {
    for (const field of ['hidden', 'logits'] as const) {
      const values = wanted[field]
      if (!values) continue
      const error = errorOf(outputs[step]![field], values)
      assert.ok(error <= bound, `${field} of step ${step} is off by ${error}, more than ${bound}`)
    }
    if (wanted.sampled) compareSampled(outputs[step]!.sampled, wanted.sampled, bound)
  })
}

function compareSampled(actual: readonly SampledRow[], expected: readonly SampledRow[], bound: number): void {
  assert.equal(actual.length, expected.length)
  expected.forEach((wanted, r) => {
    const row = actual[r]!
    const facts = ({ token, rank, failure, topIds, candidateIds }: SampledRow) => ({
      ...{ token, rank, failure },
      topIds: [...topIds],
      candidateIds: [...candidateIds],
    })
    assert.deepEqual(facts(row), facts(wanted))
    const numbers = (of: SampledRow) => [
      Number.isNaN(of.logprob) ? -1 : of.logprob,
      ...of.topLogprobs,
      ...of.candidateLogprobs,
    ]
    const error = errorOf(numbers(row), numbers(wanted))
    assert.ok(error <= bound, `log-probabilities of row ${r} are off by ${error}, more than ${bound}`)
  })
}
