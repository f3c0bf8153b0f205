import type { DeviceLimits, DeviceWeight, Launch, Places } from '../../../../src/backend/cuda/launch/launch.js'
import type { Fields, Struct } from '../../../../src/backend/structs.js'
import type { Program } from '../../../../src/program/program.js'

/** A buffer of a made-up program: activations and inputs without `count`, weights with it. */
export interface Placed {
  readonly rows: number
  readonly width: number
  readonly type?: 'f32' | 'f16' | 'bf16'
  /** Matrices of a weight. */
  readonly count?: number
}

export const H200: DeviceLimits = { architecture: 90, multiprocessors: 132, sharedPerBlock: 232_448, l2Bytes: 50 << 20 }

/** Places of buffers, each at an address of its own: the n-th at n * 2^32, scratch memory at 2^48. */
export function placesOf(
  buffers: Readonly<Record<string, Placed>>,
  options: Partial<Pick<Places, 'device' | 'deterministic' | 'blockSize' | 'tableStride'>> = {},
): Places & { readonly scratchBytes: number } {
  const names = Object.keys(buffers)
  const get = (ref: string) => {
    const buffer = buffers[ref]
    if (!buffer) throw new Error(`no buffer ${ref}`)
    return buffer
  }
  const of = (ref: string) => {
    get(ref)
    return BigInt(names.indexOf(ref) + 1) << 32n
  }
  const shapes = names.map((name) => [name, { name, shape: [buffers[name]!.rows, buffers[name]!.width] }] as const)
  let scratchBytes = 0
  return {
    program: { buffers: new Map(shapes) } as unknown as Program,
    device: H200,
    blockSize: 64,
    tableStride: 64,
    deterministic: false,
    ...options,
    of,
    typeOf: (ref) => get(ref).type ?? 'f32',
    widthOf: (ref) => get(ref).width,
    rowsOf: (ref) => get(ref).rows,
    weight: (ref): DeviceWeight => {
      const { rows, width, type = 'f32', count = 1 } = get(ref)
      return { address: of(ref), type, rows, columns: width, count }
    },
    scratch: (bytes) => {
      const at = (1n << 48n) + BigInt(scratchBytes)
      scratchBytes += bytes
      return at
    },
    get scratchBytes() {
      return scratchBytes
    },
  }
}

/** A launch's parameters by name; pointers and 64-bit numbers as bigint. */
export function parametersIn<F extends Fields>(layout: Struct<F>, launch: Launch): Record<keyof F, number | bigint> {
  const view = new DataView(launch.parameters.buffer, launch.parameters.byteOffset)
  const entries = Object.entries(layout.fields).map(([name, field]) => {
    const at = layout.offsets[name]!
    if (field === 'pointer' || field === 'i64') return [name, view.getBigInt64(at, true)]
    return [name, field === 'f32' ? view.getFloat32(at, true) : view.getInt32(at, true)]
  })
  return Object.fromEntries(entries) as Record<keyof F, number | bigint>
}
