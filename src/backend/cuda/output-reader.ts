import type { Program } from '../../program/program.js'
import type { StepInputs, StepOutputs } from '../../program/step.js'
import { type Activations, widthOf } from './activations.js'
import { TYPE_BYTES } from './codes.js'
import type { Context, PinnedRegion } from './driver/context.js'
import type { Stream } from './driver/stream.js'
import { toFloat32 } from './half-floats.js'
import { kernelType } from './storage.js'

type Read = () => Pick<StepOutputs, 'hidden' | 'logits'>

/** Hidden states and logits, for the steps that ask for them: their rows are copied behind the step's work. */
export class OutputReader {
  private readonly staging: (PinnedRegion | undefined)[]

  constructor(
    private readonly program: Program,
    private readonly activations: Activations,
    private readonly context: Context,
    turns: number,
  ) {
    this.staging = new Array(turns).fill(undefined)
  }

  /** Call before the step's end is marked; the function it returns may be called once that is reached. */
  fetch(stream: Stream, turn: number, { hiddenOf, wantLogits, rows }: StepInputs): Read {
    if (!hiddenOf && !wantLogits) return () => ({})
    const { hidden, logits } = this.program
    const type = kernelType(this.program.buffers.get(hidden)!)
    const width = widthOf(this.program, hidden)
    const hiddenBytes = (hiddenOf?.length ?? 0) * width * TYPE_BYTES[type]
    const logitBytes = wantLogits ? rows.length * widthOf(this.program, logits) * 4 : 0
    const logitsAt = Math.ceil(hiddenBytes / 4) * 4
    const staging = this.room(turn, logitsAt + logitBytes)
    const rowBytes = width * TYPE_BYTES[type]
    hiddenOf?.forEach((row, i) => {
      const from = this.activations.addressOf(hidden) + BigInt(row * rowBytes)
      stream.toHost(staging.address + BigInt(i * rowBytes), from, rowBytes)
    })
    stream.toHost(staging.address + BigInt(logitsAt), this.activations.addressOf(logits), logitBytes)
    return () => ({
      ...(hiddenOf && { hidden: toFloat32(type, staging.memory, 0, hiddenOf.length * width) }),
      ...(wantLogits && { logits: new Float32Array(staging.memory, logitsAt, logitBytes / 4).slice() }),
    })
  }

  private room(turn: number, bytes: number): PinnedRegion {
    const current = this.staging[turn]
    if (current && current.bytes >= bytes) return current
    if (current) this.context.unpin(current)
    const region = this.context.pin(bytes)
    this.staging[turn] = region
    return region
  }
}
