import type { Executor } from '../../../src/backend/executor.js'
import type { StepInputs, StepOutputs } from '../../../src/program/step.js'

/** Counts another executor's steps and lets a test act in each. Closing it leaves the other open. */
export class ClockedExecutor implements Executor {
  readonly memory = { weights: 0, cache: 0, activations: 0 }
  steps = 0
  onStep: (step: number) => void = () => {}

  get stepsAhead() {
    return this.executor.stepsAhead
  }

  constructor(private readonly executor: Executor) {}

  step(inputs: StepInputs): Promise<StepOutputs> {
    this.onStep(this.steps++)
    return this.executor.step(inputs)
  }

  async close(): Promise<void> {}
}
