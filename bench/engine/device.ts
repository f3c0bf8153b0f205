import type { Executor } from '../../src/backend/executor.js'
import type { SampledRow, StepInputs, StepOutputs } from '../../src/program/step.js'
import { DEFAULT_ROW } from './rows.js'

/**
 * An executor without a model: it computes nothing and takes `stepMs` for it, as a device beside the host would. With 0 a
 * step has ended when `step` returns, so that all time that passes is the host's.
 */
export class Device implements Executor {
  readonly memory = { weights: 0, cache: 0, activations: 0 }
  steps = 0
  /** Milliseconds from each step's end, as the host hears of it, to the next call of `step`. */
  readonly gaps: number[] = []
  private readonly sampled: readonly SampledRow[]
  private busyUntil = 0
  private heardAt: number | undefined

  constructor(
    readonly stepsAhead: 0 | 1,
    private readonly stepMs: number,
    vocabulary: number,
  ) {
    this.sampled = Array.from({ length: 1024 }, (_, i) => ({ ...DEFAULT_ROW, token: (i * 7919) % vocabulary }))
  }

  step({ rows }: StepInputs): Promise<StepOutputs> {
    const now = performance.now()
    if (this.heardAt !== undefined) this.gaps.push(now - this.heardAt)
    this.heardAt = undefined
    this.steps++
    const first = this.steps % 512
    const outputs = { sampled: this.sampled.slice(first, first + rows.length) }
    if (this.stepMs === 0) {
      this.heardAt = performance.now()
      return Promise.resolve(outputs)
    }
    const end = Math.max(now, this.busyUntil) + this.stepMs
    this.busyUntil = end
    return new Promise((resolve) => {
      const poll = () => {
        if (performance.now() < end) setImmediate(poll)
        else {
          this.heardAt = performance.now()
          resolve(outputs)
        }
      }
      setImmediate(poll)
    })
  }

  async close(): Promise<void> {}
}
