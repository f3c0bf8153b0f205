import type { Executor } from '../../src/backend/executor.js'
import type { StepInputs, StepOutputs } from '../../src/program/step.js'

/**
 * Hands an executor that runs ahead inputs which are overwritten as soon as `step` has returned: it must have read them
 * by then.
 */
export class OverwrittenInputs implements Executor {
  readonly memory
  readonly stepsAhead

  constructor(private readonly executor: Executor) {
    this.memory = executor.memory
    this.stepsAhead = executor.stepsAhead
  }

  step(inputs: StepInputs): Promise<StepOutputs> {
    const copy = structuredClone(inputs)
    const outputs = this.executor.step(copy)
    overwrite(copy)
    return outputs
  }

  close(): Promise<void> {
    return this.executor.close()
  }
}

function overwrite(value: object): void {
  for (const [key, inner] of Object.entries(value)) {
    if (ArrayBuffer.isView(inner)) (inner as Int32Array).fill(0x7ead_beef)
    else if (typeof inner === 'object' && inner !== null) overwrite(inner)
    else if (typeof inner === 'number') Object.assign(value, { [key]: Number.NaN })
  }
}
