import type { Ref } from '../../program/buffer.js'
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
    const [hidden, logits] = [this.rowsOf(this.program.hidden), this.rowsOf(this.program.logits)]
    const hiddenBytes = (hiddenOf?.length ?? 0) * hidden.bytes
    const logitBytes = wantLogits ? rows.length * logits.bytes : 0
    const logitsAt = Math.ceil(hiddenBytes / 4) * 4
    const staging = this.room(turn, logitsAt + logitBytes)
    hiddenOf?.forEach((row, i) => {
      const from = hidden.address + BigInt(row * hidden.bytes)
      stream.toHost(staging.address + BigInt(i * hidden.bytes), from, hidden.bytes)
    })
    stream.toHost(staging.address + BigInt(logitsAt), logits.address, logitBytes)
    return () => ({
      ...(hiddenOf && { hidden: toFloat32(hidden.type, staging.memory, 0, hiddenOf.length * hidden.width) }),
      ...(wantLogits && { logits: toFloat32(logits.type, staging.memory, logitsAt, rows.length * logits.width) }),
    })
  }

  /** A matrix's first row, and what a row of it is. */
  private rowsOf(ref: Ref) {
    const type = kernelType(this.program.buffers.get(ref)!)
    const width = widthOf(this.program, ref)
    return { address: this.activations.addressOf(ref), type, width, bytes: width * TYPE_BYTES[type] }
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
