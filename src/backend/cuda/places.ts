import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { Activations } from './activations.js'
import { widthOf } from './activations.js'
import type { Caches } from './caches.js'
import type { KernelType } from './codes.js'
import type { InputLayout } from './input-layout.js'
import type { Address, DeviceLimits, DeviceWeight, Places, StepSizes } from './launch/launch.js'
import { aligned, kernelType } from './storage.js'
import type { Weights } from './weights.js'

/** Memory of an executor that does not depend on a step's sizes. */
export interface Residents {
  readonly program: Program
  readonly device: DeviceLimits
  readonly blockSize: number
  readonly tableStride: number
  readonly deterministic: boolean
  readonly weights: Weights
  readonly caches: Caches
  readonly activations: Activations
  /** Token ids of the step, once those of the step before are filled in. */
  readonly ids: Address
  readonly softRows: Address
}

/** Thrown while a step is planned whose operations need more scratch memory than there is; the executor gets more and plans anew. */
export class ScratchTooSmall extends Error {
  constructor(readonly bytes: number) {
    super(`${bytes} bytes of scratch memory are needed`)
  }
}

export interface Scratch {
  readonly address: Address
  readonly bytes: number
}

/** Where everything is for steps of one layout. */
export class PlanPlaces implements Places {
  readonly program: Program
  readonly device: DeviceLimits
  readonly blockSize: number
  readonly tableStride: number
  readonly deterministic: boolean
  private used = 0

  constructor(
    private readonly residents: Residents,
    private readonly layout: InputLayout,
    private readonly inputs: Address,
    private readonly scratchRegion: Scratch,
  ) {
    const { program, device, blockSize, tableStride, deterministic } = residents
    this.program = program
    this.device = device
    this.blockSize = blockSize
    this.tableStride = tableStride
    this.deterministic = deterministic
  }

  of(ref: Ref): Address {
    const { activations, caches, weights, ids, softRows } = this.residents
    switch (this.program.buffers.get(ref)!.kind) {
      case 'activation':
        return activations.addressOf(ref)
      case 'cache':
        return caches.addressOf(ref)
      case 'weight':
        return weights.get(ref).address
      default:
        if (ref === 'ids') return ids
        return ref === 'soft-rows' ? softRows : this.input(ref)
    }
  }

  /** A step's integers, by the names of InputLayout. */
  input(ref: Ref): Address {
    return this.inputs + BigInt(this.layout.offsetOf(ref)!)
  }

  typeOf(ref: Ref): KernelType {
    return kernelType(this.program.buffers.get(ref)!)
  }

  widthOf(ref: Ref): number {
    return widthOf(this.program, ref)
  }

  rowsOf(ref: Ref, sizes: StepSizes): number {
    return this.program.buffers.get(ref)!.shape[0] === 'rows' ? sizes.rows : sizes.tokens
  }

  weight(ref: Ref): DeviceWeight {
    return this.residents.weights.get(ref)
  }

  scratch(bytes: number): Address {
    const offset = this.used
    this.used = aligned(offset + bytes)
    if (this.used > this.scratchRegion.bytes) throw new ScratchTooSmall(this.used)
    return this.scratchRegion.address + BigInt(offset)
  }

  /** Another operation begins: what was scratch for the last one is free. */
  nextOperation(): void {
    this.used = 0
  }
}
