import type { Executor } from '../../src/backend/executor.js'
import type { SampledRow, StepInputs, StepOutputs } from '../../src/program/step.js'

/** What comes back for a row of which only the token is wanted. */
const ROW: SampledRow = {
  token: 0,
  logprob: Number.NaN,
  rank: 0,
  topIds: new Int32Array(0),
  topLogprobs: new Float32Array(0),
  candidateIds: new Int32Array(0),
  candidateLogprobs: new Float32Array(0),
}

/**
 * An executor without a model: it computes nothing and takes `stepMs` for it, as a device beside the host would. With 0 a
 * step has ended when `step` returns, so that all time that passes is the host's.
 */
export class Device implements Executor {
  readonly memory = { weights: 0, cache: 0, activations: 0 }
  steps = 0
  /** Milliseconds from each call of `step` to the next. */
  readonly periods: number[] = []
  private readonly sampled: readonly SampledRow[]
  private busyUntil = 0
  private calledAt: number | undefined

  constructor(
    readonly stepsAhead: 0 | 1,
    private readonly stepMs: number,
    vocabulary: number,
  ) {
    this.sampled = Array.from({ length: 1024 }, (_, i) => ({ ...ROW, token: (i * 7919) % vocabulary }))
  }

  step({ rows }: StepInputs): Promise<StepOutputs> {
    const now = performance.now()
    if (this.calledAt !== undefined) this.periods.push(now - this.calledAt)
    this.calledAt = now
    this.steps++
    const first = this.steps % 512
    const outputs = { sampled: this.sampled.slice(first, first + rows.length) }
    if (this.stepMs === 0) return Promise.resolve(outputs)
    const end = Math.max(now, this.busyUntil) + this.stepMs
    this.busyUntil = end
    return new Promise((resolve) => {
      const poll = () => {
        if (performance.now() < end) setImmediate(poll)
        else resolve(outputs)
      }
      setImmediate(poll)
    })
  }

  async close(): Promise<void> {}
}
