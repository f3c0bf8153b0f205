import type { DeviceFacts } from './device.js'
import { Driver } from './driver.js'
import { Event } from './event.js'
import { Kernels, type LoadModule } from './kernels.js'
import type { RawDriver } from './raw.js'
import { Stream } from './stream.js'

/** CU_STREAM_NON_BLOCKING: the legacy default stream does not wait for it. */
const NON_BLOCKING = 1
const DISABLE_TIMING = 2

/** Device memory of one allocation. */
export interface DeviceRegion {
  readonly address: bigint
  readonly bytes: number
}

/** Page-locked host memory, which the device copies from and to without waiting for the host. */
export interface PinnedRegion extends DeviceRegion {
  readonly memory: ArrayBuffer
}

/**
 * Everything that one executor holds of a device: the primary context, memory, modules, streams, events. `close` gives it all back, in
 * the reverse order; nothing of it may be used afterwards.
 */
export class Context {
  readonly driver: Driver
  readonly kernels: Kernels
  private readonly closers: (() => void)[] = []
  private readonly regions = new Map<bigint, DeviceRegion>()
  private readonly pinned = new Set<bigint>()
  private readonly events = new Set<bigint>()

  constructor(
    raw: RawDriver,
    readonly device: DeviceFacts,
    loadModule: LoadModule,
  ) {
    this.driver = new Driver(raw)
    const context = this.driver.handle('cuDevicePrimaryCtxRetain', device.ordinal)
    this.closers.push(() => this.driver.call('cuDevicePrimaryCtxRelease_v2', device.ordinal))
    this.driver.call('cuCtxSetCurrent', context)
    this.kernels = new Kernels(this.driver, loadModule)
    this.closers.push(() => this.kernels.close())
  }

  /** Uninitialised; throws `out-of-memory`. */
  allocate(bytes: number): DeviceRegion {
    const region = { address: this.driver.handle('cuMemAlloc_v2', Math.max(256, bytes)), bytes }
    this.regions.set(region.address, region)
    return region
  }

  /** Gives one region back early. */
  release(region: DeviceRegion): void {
    if (this.regions.delete(region.address)) this.driver.call('cuMemFree_v2', region.address)
  }

  pin(bytes: number): PinnedRegion {
    const address = this.driver.handle('cuMemHostAlloc', Math.max(256, bytes), 0)
    this.pinned.add(address)
    return { address, bytes, memory: this.driver.raw.view(address, Math.max(256, bytes)) }
  }

  /** Nothing may be copying from or to it any more. */
  unpin({ address }: PinnedRegion): void {
    if (this.pinned.delete(address)) this.driver.call('cuMemFreeHost', address)
  }

  stream(): Stream {
    const handle = this.driver.handle('cuStreamCreate', NON_BLOCKING)
    this.closers.push(() => this.driver.call('cuStreamDestroy_v2', handle))
    return new Stream(this.driver, this.kernels, handle)
  }

  event(timing = false): Event {
    const handle = this.driver.handle('cuEventCreate', timing ? 0 : DISABLE_TIMING)
    this.events.add(handle)
    return new Event(this.driver, handle)
  }

  releaseEvent({ handle }: Event): void {
    if (this.events.delete(handle)) this.driver.call('cuEventDestroy_v2', handle)
  }

  /** Something that must end before memory and streams go. */
  onClose(close: () => void): void {
    this.closers.push(close)
  }

  close(): void {
    for (const handle of this.events) this.driver.call('cuEventDestroy_v2', handle)
    for (const address of this.pinned) this.driver.call('cuMemFreeHost', address)
    for (const region of [...this.regions.values()]) this.release(region)
    for (const close of this.closers.splice(0).reverse()) close()
  }
}
