import type { Program } from '../../program/program.js'
import { getBuffer } from '../../program/program.js'
import type { SampledRow, StepInputs } from '../../program/step.js'
import type { Context, DeviceRegion, PinnedRegion } from './driver/context.js'
import type { Event } from './driver/event.js'
import type { Stream } from './driver/stream.js'
import { InputLayout } from './input-layout.js'
import type { Address, StepSizes } from './launch/launch.js'
import type { SamplingPlaces } from './launch/sample.js'
import { packSampling, readSampled, resultBytes, samplingBytes } from './sampling.js'
import { aligned } from './storage.js'

export interface StepRoom {
  /** Most tokens and rows of a step, padding included. */
  readonly tokens: number
  readonly rows: number
  readonly blocks: number
  readonly blockSize: number
  readonly vocabulary: number
  /** Most tokens of one sequence; what the blocks hold unless given. */
  readonly contextLength?: number
}

/** Edit lists of a step (histories of penalties, biases, bans) that are always room for. */
const LIST_BYTES = 2 ** 20

/** What one step under way holds of the host's memory. */
interface Turn {
  readonly inputs: PinnedRegion
  readonly results: PinnedRegion
  readonly soft: PinnedRegion | undefined
  readonly done: Event
}

/** Memory through which steps' inputs go to the device and their results come back: of the host's there is one set for each step under way. */
export class StepBuffers implements DeviceRegion {
  readonly address: Address
  readonly bytes: number
  /** Entries of a sequence's row of the block table. */
  readonly tableStride: number
  readonly ids: Address
  readonly softRows: Address
  readonly sampling: SamplingPlaces
  private readonly turns: readonly Turn[]

  constructor(
    context: Context,
    private readonly program: Program,
    private readonly room: StepRoom,
    turns: number,
  ) {
    const { tokens, rows, blocks, blockSize, contextLength = blocks * blockSize } = room
    this.tableStride = Math.min(blocks, Math.ceil(contextLength / blockSize))
    const names = new Set(program.buffers.keys())
    const largest = { tokens, rows, sequences: tokens, copies: blocks, longestQuery: tokens, longestContext: 0 }
    const integers = new InputLayout(largest, this.tableStride, names).bytes
    const inputs = integers + samplingBytes(rows) + LIST_BYTES
    const results = resultBytes(rows, room.vocabulary)
    const soft = program.buffers.get('soft-rows')
    const softBytes = soft ? tokens * (soft.shape[1] as number) * 4 : 0
    const region = context.allocate(inputs + aligned(tokens * 4) + softBytes + results + aligned(rows * 4))
    this.address = region.address
    this.bytes = region.bytes
    let end = region.address + BigInt(aligned(inputs))
    const take = (bytes: number) => {
      const address = end
      end += BigInt(aligned(bytes))
      return address
    }
    this.ids = take(tokens * 4)
    this.softRows = take(softBytes)
    this.sampling = { records: this.address, results: take(results), tokens: take(rows * 4) }
    this.turns = Array.from({ length: turns }, () => ({
      inputs: context.pin(inputs),
      results: context.pin(results),
      soft: soft && context.pin(softBytes),
      done: context.event(),
    }))
  }

  /** Copies a step's inputs to the device. `read` gives what was sampled, once the step is done. */
  send(stream: Stream, turn: number, inputs: StepInputs, layout: InputLayout, sizes: StepSizes) {
    const { inputs: staging, soft, results } = this.turns[turn]!
    layout.write(inputs, staging.memory)
    const used = packSampling(
      inputs.sampling,
      sizes.rows,
      this.room.vocabulary,
      new Uint8Array(staging.memory, layout.bytes),
    )
    stream.toDevice(this.address, staging.address, layout.bytes + used)
    if (inputs.softRows && soft) {
      new Float32Array(soft.memory).set(inputs.softRows)
      stream.toDevice(this.softRows, soft.address, inputs.softRows.byteLength)
    }
    const rows = [...inputs.sampling]
    return { read: (): SampledRow[] => readSampled(rows, this.room.vocabulary, new Uint8Array(results.memory)) }
  }
}
