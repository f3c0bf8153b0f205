import {
  type RawSpan,
  sourceShape,
  type WeightPart,
  type WeightReader,
  type WeightSource,
} from '../../program/weight-source.js'
import type { ExecutorOptions } from '../executor.js'
import { TYPE_BYTES } from './codes.js'
import type { Context, DeviceRegion, PinnedRegion } from './driver/context.js'
import type { Event } from './driver/event.js'
import type { Stream } from './driver/stream.js'
import { convertLaunch } from './launch/convert.js'
import type { DeviceWeight, Launch } from './launch/launch.js'
import { placeLaunch } from './launch/place.js'
import { randomLaunch } from './launch/random.js'

/** What is read at once, and how many such pieces are on their way: disk, bus and device work side by side. */
const PIECE_BYTES = 16 * 2 ** 20
const PIECES = 4

export interface Upload {
  readonly source: WeightSource
  readonly target: DeviceWeight
}

/** A piece of page-locked memory and its like on the device. */
interface Stage {
  readonly host: PinnedRegion
  readonly device: DeviceRegion
  /** After the last use of both. */
  readonly done: Event
}

type Options = Pick<ExecutorOptions, 'weights' | 'onProgress' | 'signal'>

/** Brings weights to the device: a checkpoint's bytes as they are stored where it hands them out, float32 where it does not. */
export class WeightUploader {
  private readonly free: Stage[] = []
  private readonly all: Stage[] = []
  private readonly waiting: (() => void)[] = []
  private total = 0
  private done = 0
  private pieceBytes = PIECE_BYTES

  constructor(
    private readonly context: Context,
    private readonly stream: Stream,
    private readonly options: Options,
  ) {}

  async load(uploads: readonly Upload[]): Promise<void> {
    this.total = uploads.reduce((sum, { source }) => sum + elementsOf(source), 0)
    const largest = Math.max(0, ...uploads.map(({ source }) => elementsOf(source)))
    this.pieceBytes = Math.min(PIECE_BYTES, largest * 4)
    const started: Promise<void>[] = []
    try {
      for (const upload of uploads) for (const piece of this.piecesOf(upload)) await this.start(piece, started)
      await Promise.all(started)
    } finally {
      await Promise.allSettled(started)
      this.stream.synchronize()
    }
    this.options.signal?.throwIfAborted()
  }

  /** Returns when memory for the next piece may be free. */
  private async start({ bytes, run }: Piece, started: Promise<void>[]): Promise<void> {
    this.options.signal?.throwIfAborted()
    const stage = bytes > 0 ? await this.take(bytes) : undefined
    const piece = run(stage).finally(() => stage && this.giveBack(stage))
    // Whoever awaits it later hears of a failure.
    piece.catch(() => {})
    started.push(piece)
  }

  close(): void {
    for (const { host, device, done } of this.all) {
      this.context.unpin(host)
      this.context.release(device)
      this.context.releaseEvent(done)
    }
  }

  private *piecesOf({ source, target }: Upload): Generator<Piece> {
    const { weights } = this.options
    if (weights.random) {
      yield* this.randomPieces(source, target, weights.random.bind(weights))
      return
    }
    const spans = weights.raw?.spans(source, PIECE_BYTES)
    if (spans)
      for (const span of spans) yield { bytes: span.bytes, run: (stage) => this.copySpan(span, target, stage!) }
    else yield* this.rowPieces(source, target)
  }

  private async copySpan(span: RawSpan, target: DeviceWeight, stage: Stage): Promise<void> {
    await this.options.weights.raw!.read(span, new Uint8Array(stage.host.memory, 0, span.bytes))
    this.stream.toDevice(stage.device.address, stage.host.address, span.bytes)
    for (const view of span.views) {
      const to = addressAt(target, view.first * view.columns)
      this.stream.launch(placeLaunch(stage.device.address, span.type, view, to, target.type), false)
      this.advance(view.rows * view.columns)
    }
    this.stream.mark(stage.done)
  }

  private *rowPieces(source: WeightSource, target: DeviceWeight): Generator<Piece> {
    const [rows, ...columns] = sourceShape(source) as [number, ...number[]]
    const width = product(columns)
    const step = Math.max(1, Math.floor(PIECE_BYTES / 4 / width))
    for (let first = 0; first < rows; first += step) {
      const count = Math.min(step, rows - first)
      yield { bytes: count * width * 4, run: (stage) => this.copyRows(source, first, count, width, target, stage!) }
    }
  }

  private async copyRows(
    source: WeightSource,
    first: number,
    count: number,
    width: number,
    target: DeviceWeight,
    stage: Stage,
  ) {
    const values = await this.options.weights.readRows(source, first, count)
    new Float32Array(stage.host.memory, 0, values.length).set(values)
    this.stream.toDevice(stage.device.address, stage.host.address, values.byteLength)
    const to = addressAt(target, first * width)
    this.stream.launch(convertLaunch(stage.device.address, to, target.type, values.length), false)
    this.stream.mark(stage.done)
    this.advance(values.length)
  }

  /** Parts that are made up are made on the device; those that the configuration determines are read. */
  private *randomPieces(
    source: WeightSource,
    target: DeviceWeight,
    random: NonNullable<WeightReader['random']>,
  ): Generator<Piece> {
    let offset = 0
    for (const part of source.parts) {
      const count = product(part.shape)
      const at: DeviceWeight = { ...target, address: addressAt(target, offset) }
      if (part.kind === 'tensor') {
        const launch = randomLaunch(random(part), at.address, target.type, 0, count)
        yield { bytes: 0, run: async () => this.make(launch, count) }
      } else yield* this.rowPieces({ parts: [part] }, at)
      offset += count
    }
  }

  private make(launch: Launch, count: number): void {
    this.stream.launch(launch, false)
    this.advance(count)
  }

  private advance(elements: number): void {
    this.done += elements
    this.options.onProgress?.(this.done, this.total)
  }

  /** A stage of at least so many bytes whose last use is over. */
  private async take(bytes: number): Promise<Stage> {
    if (bytes > this.pieceBytes) return this.newStage(bytes)
    while (this.free.length === 0) {
      if (this.all.length < PIECES) return this.newStage(this.pieceBytes)
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    const stage = this.free.shift()!
    stage.done.wait()
    return stage
  }

  private newStage(bytes: number): Stage {
    const stage = { host: this.context.pin(bytes), device: this.context.allocate(bytes), done: this.context.event() }
    this.all.push(stage)
    return stage
  }

  private giveBack(stage: Stage): void {
    if (stage.device.bytes > this.pieceBytes) {
      // A transposed tensor larger than a piece: its memory is worth more than the time to take it again.
      this.stream.synchronize()
      this.all.splice(this.all.indexOf(stage), 1)
      this.context.unpin(stage.host)
      this.context.release(stage.device)
      this.context.releaseEvent(stage.done)
    } else this.free.push(stage)
    this.waiting.shift()?.()
  }
}

interface Piece {
  /** Of staging memory. */
  readonly bytes: number
  run(stage: Stage | undefined): Promise<void>
}

function addressAt({ address, type }: DeviceWeight, element: number): bigint {
  return address + BigInt(element * TYPE_BYTES[type])
}

function elementsOf({ parts }: WeightSource): number {
  return parts.reduce((sum, part: WeightPart) => sum + product(part.shape), 0)
}

function product(shape: readonly number[]): number {
  return shape.reduce((result, size) => result * size, 1)
}
