import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import type { Executor } from '../../../src/backend/executor.js'
import type { StepInputs, StepOutputs } from '../../../src/program/step.js'

interface HandedOver {
  readonly inputs: StepInputs
  readonly outputs: Promise<StepOutputs>
}

/**
 * Lets an executor that works one step at a time run ahead, as a device with a queue does: a step is taken over at once,
 * computed later, and takes over the tokens that the step before it chose. It insists on what the contract promises it.
 */
export class AheadExecutor implements Executor {
  readonly memory = { weights: 0, cache: 0, activations: 0 }
  readonly stepsAhead = 1
  /** Steps that were handed over while another was under way, and tokens whose ids only the device knew. */
  overlapping = 0
  tokensFromDevice = 0
  /** The tokens of each step that came from the step before, as its rows. */
  readonly idsFrom: number[][] = []
  private underWay = 0
  private steps = 0
  private last: HandedOver | undefined

  /** `delays`: turns of the event loop before each step is computed, over and over. */
  constructor(
    private readonly executor: Executor,
    private readonly delays: readonly number[] = [1],
  ) {}

  step(given: StepInputs): Promise<StepOutputs> {
    const before = this.last
    assert(this.underWay < 2, 'one step is handed over ahead, no more')
    if (this.underWay > 0) this.overlapping++
    this.underWay++
    const inputs = structuredClone(given)
    this.checkIdsFrom(inputs, before)
    const outputs = this.compute(inputs, before, this.delays[this.steps++ % this.delays.length]!)
    const handedOver = { inputs, outputs }
    this.last = handedOver
    outputs.catch(() => {
      if (this.last === handedOver) this.last = undefined
    })
    return outputs
  }

  async close(): Promise<void> {
    assert.equal(this.underWay, 0)
    await this.executor.close()
  }

  private async compute(inputs: StepInputs, before: HandedOver | undefined, delay: number): Promise<StepOutputs> {
    try {
      const sampled = (await before?.outputs)?.sampled
      for (let turn = 0; turn < delay; turn++) await setImmediate()
      const { idsFrom, ...rest } = inputs
      // A row that failed chose nothing; the device takes any token then.
      const ids = inputs.ids.map((id, i) =>
        idsFrom && idsFrom[i]! >= 0 ? Math.max(0, sampled![idsFrom[i]!]!.token) : id,
      )
      return await this.executor.step({ ...rest, ids })
    } finally {
      this.underWay--
    }
  }

  private checkIdsFrom({ ids, idsFrom }: StepInputs, before: HandedOver | undefined): void {
    this.idsFrom.push(idsFrom ? [...idsFrom].filter((row) => row >= 0) : [])
    if (!idsFrom) return
    assert.equal(idsFrom.length, ids.length)
    assert(
      idsFrom.some((row) => row >= 0),
      'a step in which all ids are known has no idsFrom',
    )
    for (const [i, row] of idsFrom.entries()) {
      if (row < 0) continue
      assert(ids[i]! >= 0, 'it is no soft prompt’s')
      assert.equal(before?.inputs.sampling[row]?.mode, 'draw', 'the step before chooses a token in that row')
      this.tokensFromDevice++
    }
  }
}
