import { elementCount, type Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { Context, DeviceRegion } from './driver/context.js'
import type { Address } from './launch/launch.js'
import { aligned, bufferBytes, kernelType } from './storage.js'

export interface ActivationRoom {
  readonly maxTokens: number
  readonly maxRows: number
}

/** Capacities in multiples of this keep every buffer of a planned arena on a boundary of 256 bytes, and hold padded batches. */
const ROUNDING = 64

/** Activations in the two arenas that the memory plan laid out; those that it left out have their own memory. */
export class Activations {
  readonly bytes: number
  private readonly addresses = new Map<Ref, Address>()
  private readonly regions: DeviceRegion[] = []

  constructor(context: Context, program: Program, room: ActivationRoom) {
    const capacity = capacityOf(room)
    const { bytesPerToken = 0, bytesPerRow = 0, placements } = program.memory ?? {}
    const allocate = (bytes: number) => {
      const region = context.allocate(bytes)
      this.regions.push(region)
      return region
    }
    const arenas = { tokens: allocate(bytesPerToken * capacity.tokens), rows: allocate(bytesPerRow * capacity.rows) }
    for (const buffer of program.buffers.values()) {
      if (buffer.kind !== 'activation') continue
      kernelType(buffer)
      const placement = placements?.get(buffer.name)
      const address = placement
        ? arenas[placement.per].address + BigInt(placement.offset * capacity[placement.per])
        : allocate(bufferBytes(buffer, capacity)).address
      this.addresses.set(buffer.name, address)
    }
    this.bytes = this.regions.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  addressOf(ref: Ref): Address {
    return this.addresses.get(ref)!
  }

  /** Every byte 0xff: NaN in each type, so that whatever is read before it is written shows. */
  poison(fill: (region: DeviceRegion, byte: number) => void): void {
    for (const region of this.regions) fill(region, 0xff)
  }
}

export function capacityOf({ maxTokens, maxRows }: ActivationRoom): { readonly tokens: number; readonly rows: number } {
  const roundUp = (count: number) => Math.ceil(count / ROUNDING) * ROUNDING
  return { tokens: roundUp(maxTokens), rows: roundUp(maxRows) }
}

/** What an executor of this room takes for activations; see `inspect`. */
export function activationBytes(program: Program, room: ActivationRoom): number {
  const capacity = capacityOf(room)
  const { bytesPerToken = 0, bytesPerRow = 0, placements } = program.memory ?? {}
  const others = [...program.buffers.values()].filter(
    ({ kind, name }) => kind === 'activation' && !placements?.has(name),
  )
  const own = others.reduce((sum, buffer) => sum + aligned(bufferBytes(buffer, capacity)), 0)
  return bytesPerToken * capacity.tokens + bytesPerRow * capacity.rows + own
}

/** Elements of a row. */
export function widthOf(program: Program, ref: Ref): number {
  const { shape } = program.buffers.get(ref)!
  return elementCount(shape.slice(1), {})
}
