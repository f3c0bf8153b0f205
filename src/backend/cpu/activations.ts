import { elementCount, type Ref } from '../../program/buffer.js'
import { getBuffer, type Program } from '../../program/program.js'
import type { Address } from './library.js'
import type { NativeMemory, Region } from './native-memory.js'
import { requireFloat32 } from './storage.js'

export interface ActivationRoom {
  readonly maxTokens: number
  readonly maxRows: number
}

interface Placed {
  readonly region: Region
  readonly offset: number
  readonly elements: number
}

/** Capacities in multiples of this keep every buffer of a planned arena on a cache line. */
const ROUNDING = 16

/** Activations in the arenas that the memory plan laid out; those that it left out have their own memory. */
export class Activations {
  readonly bytes: number
  private readonly placed = new Map<Ref, Placed>()
  private readonly regions: Region[] = []

  constructor(
    memory: NativeMemory,
    private readonly program: Program,
    room: ActivationRoom,
  ) {
    const capacity = { tokens: roundUp(room.maxTokens), rows: roundUp(room.maxRows) }
    const { bytesPerToken = 0, bytesPerRow = 0, placements } = program.memory ?? {}
    const allocate = (bytes: number) => {
      const region = memory.allocate(bytes)
      this.regions.push(region)
      return region
    }
    const arenas = {
      tokens: allocate(bytesPerToken * capacity.tokens),
      rows: allocate(bytesPerRow * capacity.rows),
    }
    for (const { name, kind, shape } of program.buffers.values()) {
      if (kind !== 'activation') continue
      requireFloat32(program, name)
      const elements = elementCount(shape, capacity)
      const placement = placements?.get(name)
      const offset = placement ? placement.offset * capacity[placement.per] : 0
      const region = placement ? arenas[placement.per] : allocate(elements * 4)
      this.placed.set(name, { region, offset, elements })
    }
    this.bytes = this.regions.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  addressOf(ref: Ref): Address {
    const { region, offset } = this.placed.get(ref)!
    return region.address + BigInt(offset)
  }

  /** The memory itself, as much as the step's sizes fill. */
  values(ref: Ref, sizes: { readonly tokens: number; readonly rows: number }): Float32Array {
    const { region, offset } = this.placed.get(ref)!
    return new Float32Array(region.buffer(), offset, elementCount(getBuffer(this.program, ref).shape, sizes))
  }

  /** Fills everything with NaN, so that whatever is read before it is written shows. */
  poison(): void {
    for (const region of this.regions) new Float32Array(region.buffer()).fill(Number.NaN)
  }
}

function roundUp(count: number): number {
  return Math.ceil(count / ROUNDING) * ROUNDING
}
