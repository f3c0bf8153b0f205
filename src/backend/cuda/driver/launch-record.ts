import { struct } from '../../structs.js'
import type { Launch } from '../launch/launch.js'
import type { RawDriver } from './raw.js'

/** CUlaunchConfig of cuda.h. */
export const LAUNCH_CONFIG = struct({
  gridX: 'i32',
  gridY: 'i32',
  gridZ: 'i32',
  blockX: 'i32',
  blockY: 'i32',
  blockZ: 'i32',
  sharedBytes: 'i32',
  stream: 'pointer',
  attributes: 'pointer',
  attributeCount: 'i32',
})

/** CUlaunchAttribute: an id and 64 bytes of value at offset 8. */
const ATTRIBUTE_BYTES = 72
const CLUSTER_DIMENSION = 4
const PROGRAMMATIC_STREAM_SERIALIZATION = 6

/** A kernel's parameters may take this much (CUDA C++ Programming Guide, "Kernel function parameters"). */
const PARAMETER_BYTES = 4096

const ATTRIBUTES_AT = 64
const POINTERS_AT = ATTRIBUTES_AT + 2 * ATTRIBUTE_BYTES
const PARAMETERS_AT = 256

/** The memory from which a stream's launches are read, written anew for each. */
export class LaunchRecord {
  readonly config: bigint
  /** The array of pointers to parameters: one pointer. */
  readonly parameters: bigint
  private readonly bytes = new Uint8Array(PARAMETERS_AT + PARAMETER_BYTES)
  private readonly view = new DataView(this.bytes.buffer)

  constructor(
    raw: RawDriver,
    private readonly stream: bigint,
  ) {
    this.config = raw.addressOf(this.bytes)
    this.parameters = this.config + BigInt(POINTERS_AT)
    this.view.setBigUint64(POINTERS_AT, this.config + BigInt(PARAMETERS_AT), true)
  }

  write({ grid, threads, shared, cluster, parameters }: Launch, early: boolean): void {
    let attributes = 0
    if (cluster !== undefined && cluster > 1) this.attribute(attributes++, CLUSTER_DIMENSION, [cluster, 1, 1])
    if (early) this.attribute(attributes++, PROGRAMMATIC_STREAM_SERIALIZATION, [1])
    const [gridX, gridY, gridZ] = grid
    LAUNCH_CONFIG.write(this.view, 0, {
      ...{ gridX, gridY, gridZ },
      ...{ blockX: threads, blockY: 1, blockZ: 1 },
      sharedBytes: shared,
      stream: this.stream,
      attributes: this.config + BigInt(ATTRIBUTES_AT),
      attributeCount: attributes,
    })
    this.bytes.set(parameters, PARAMETERS_AT)
  }

  private attribute(index: number, id: number, values: readonly number[]): void {
    const at = ATTRIBUTES_AT + index * ATTRIBUTE_BYTES
    this.view.setInt32(at, id, true)
    for (let i = 0; i < 4; i++) this.view.setInt32(at + 8 + 4 * i, values[i] ?? 0, true)
  }
}
