import type { Program } from '../../program/program.js'
import type { SampledRow, StepInputs } from '../../program/step.js'
import type { Context, DeviceRegion, PinnedRegion } from './driver/context.js'
import type { Event } from './driver/event.js'
import type { Stream } from './driver/stream.js'
import { InputLayout } from './input-layout.js'
import type { Address, StepSizes } from './launch/launch.js'
import type { SamplingPlaces } from './launch/sample.js'
import { type SamplingLayout, SamplingRecords } from './sampling.js'
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

/** Room that sampling has at first for the lists of a step (edits, masks, candidates), beside its records. */
const FIRST_LIST_BYTES = 2 ** 18

/** What one step under way holds of the host's memory. */
interface Turn {
  requests: PinnedRegion
  results: PinnedRegion
  readonly soft: PinnedRegion | undefined
  readonly done: Event
}

/** A step that was sent: what its sampling is called when it is done. */
export interface SentStep {
  readonly done: Event
  read(): SampledRow[]
}

/**
 * Memory through which steps' inputs go to the device and their results come back. Of the host's there is one set for each step that
 * may be under way; of the device's there is one, since steps follow each other there. On the device, a step's integers lie first
 * (see InputLayout) and its sampling requests right behind, so that one copy brings both.
 */
export class StepBuffers {
  /** Entries of a sequence's row of the block table. */
  readonly tableStride: number
  readonly ids: Address
  readonly softRows: Address
  private readonly tokens: Address
  private readonly integerBytes: number
  private readonly records: SamplingRecords
  private readonly turns: readonly Turn[]
  private requests: DeviceRegion
  private results: DeviceRegion
  private readonly fixed: DeviceRegion

  constructor(
    private readonly context: Context,
    program: Program,
    room: StepRoom,
    turns: number,
  ) {
    const { tokens, rows, blocks, blockSize, contextLength = blocks * blockSize } = room
    this.tableStride = Math.min(blocks, Math.ceil(contextLength / blockSize))
    this.records = new SamplingRecords(room.vocabulary)
    const largest = { tokens, rows, sequences: tokens, copies: blocks, longestQuery: tokens, longestContext: 0 }
    this.integerBytes = new InputLayout(largest, this.tableStride, new Set(program.buffers.keys())).bytes
    const first = this.records.bytesFor([], rows)
    const requestBytes = this.integerBytes + first.requests + FIRST_LIST_BYTES
    const resultBytes = first.results + FIRST_LIST_BYTES
    const soft = program.buffers.get('soft-rows')
    const softBytes = soft ? tokens * (soft.shape[1] as number) * 4 : 0
    this.fixed = context.allocate(aligned(tokens * 4) + aligned(rows * 4) + softBytes)
    this.ids = this.fixed.address
    this.tokens = this.ids + BigInt(aligned(tokens * 4))
    this.softRows = this.tokens + BigInt(aligned(rows * 4))
    this.requests = context.allocate(requestBytes)
    this.results = context.allocate(resultBytes)
    this.turns = Array.from({ length: turns }, () => ({
      requests: context.pin(requestBytes),
      results: context.pin(resultBytes),
      soft: soft && context.pin(softBytes),
      done: context.event(),
    }))
  }

  get bytes(): number {
    return this.fixed.bytes + this.requests.bytes + this.results.bytes
  }

  /** Where a step's integers begin on the device. */
  get inputs(): Address {
    return this.requests.address
  }

  /** For steps whose integers take `integerBytes`. */
  samplingPlaces(integerBytes: number): SamplingPlaces {
    return { records: this.inputs + BigInt(integerBytes), results: this.results.address, tokens: this.tokens }
  }

  /**
   * Makes room for a step's sampling lists. True where memory moved: whatever names the old places (plans, graphs) is void. Waits for the
   * device then.
   */
  makeRoom(stream: Stream, turn: number, inputs: StepInputs, records: number): boolean {
    const need = this.records.bytesFor(inputs.sampling, records)
    const requestBytes = this.integerBytes + need.requests
    const own = this.turns[turn]!
    if (own.requests.bytes < requestBytes) {
      this.context.unpin(own.requests)
      own.requests = this.context.pin(2 * requestBytes)
    }
    if (own.results.bytes < need.results) {
      this.context.unpin(own.results)
      own.results = this.context.pin(2 * need.results)
    }
    if (this.requests.bytes >= requestBytes && this.results.bytes >= need.results) return false
    stream.synchronize()
    this.requests = this.enlarged(this.requests, requestBytes)
    this.results = this.enlarged(this.results, need.results)
    return true
  }

  private enlarged(region: DeviceRegion, bytes: number): DeviceRegion {
    if (region.bytes >= bytes) return region
    this.context.release(region)
    return this.context.allocate(2 * bytes)
  }

  /** Copies a step's inputs to the device. */
  send(stream: Stream, turn: number, inputs: StepInputs, layout: InputLayout, sizes: StepSizes): SamplingLayout {
    const { requests, soft } = this.turns[turn]!
    layout.write(inputs, requests.memory)
    const sampling = this.records.pack(inputs.sampling, sizes.rows, new Uint8Array(requests.memory, layout.bytes))
    stream.toDevice(this.inputs, requests.address, layout.bytes + sampling.requestBytes)
    if (inputs.softRows && soft) {
      new Float32Array(soft.memory).set(inputs.softRows)
      stream.toDevice(this.softRows, soft.address, inputs.softRows.byteLength)
    }
    return sampling
  }

  /** Copies what was sampled to the host and marks the step's end. */
  fetch(stream: Stream, turn: number, inputs: StepInputs, sampling: SamplingLayout): SentStep {
    const { results, done } = this.turns[turn]!
    const rows = [...inputs.sampling]
    if (rows.length > 0) stream.toHost(results.address, this.results.address, sampling.resultBytes)
    stream.mark(done)
    return { done, read: () => this.records.read(rows, sampling, new Uint8Array(results.memory)) }
  }
}
