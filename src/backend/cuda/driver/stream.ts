import type { Launch } from '../launch/launch.js'
import type { DeviceRegion } from './context.js'
import type { Driver } from './driver.js'
import type { Event } from './event.js'
import { Graph } from './graph.js'
import type { Kernels } from './kernels.js'
import { LaunchRecord } from './launch-record.js'

/** CU_STREAM_CAPTURE_MODE_RELAXED: other threads and other calls of this one go on as always. */
const RELAXED = 2

/** Work for the device, done in the order in which it was handed in. */
export class Stream {
  private readonly record: LaunchRecord

  constructor(
    private readonly driver: Driver,
    private readonly kernels: Kernels,
    readonly handle: bigint,
  ) {
    this.record = new LaunchRecord(driver.raw, handle)
  }

  /** `early`: the kernel may be scheduled while the one before it still runs (programmatic dependent launch). */
  launch(launch: Launch, early: boolean): void {
    const kernel = this.kernels.get(launch.module, launch.kernel, launch.shared)
    this.record.write(launch, early)
    this.driver.call('cuLaunchKernelEx', this.record.config, kernel, this.record.parameters, 0n)
  }

  toDevice(to: bigint, from: bigint, bytes: number): void {
    if (bytes > 0) this.driver.call('cuMemcpyHtoDAsync_v2', to, from, bytes, this.handle)
  }

  toHost(to: bigint, from: bigint, bytes: number): void {
    if (bytes > 0) this.driver.call('cuMemcpyDtoHAsync_v2', to, from, bytes, this.handle)
  }

  copy(to: bigint, from: bigint, bytes: number): void {
    if (bytes > 0) this.driver.call('cuMemcpyDtoDAsync_v2', to, from, bytes, this.handle)
  }

  fill({ address, bytes }: DeviceRegion, byte: number): void {
    if (bytes > 0) this.driver.call('cuMemsetD8Async', address, byte, bytes, this.handle)
  }

  mark(event: Event): void {
    this.driver.call('cuEventRecord', event.handle, this.handle)
  }

  waitFor(event: Event): void {
    this.driver.call('cuStreamWaitEvent', this.handle, event.handle, 0)
  }

  /** Blocks the thread until all is done. */
  synchronize(): void {
    this.driver.call('cuStreamSynchronize', this.handle)
  }

  /** What `work` hands in becomes a graph instead of being done. */
  capture(work: () => void): Graph {
    this.driver.call('cuStreamBeginCapture_v2', this.handle, RELAXED)
    let failure: unknown
    try {
      work()
    } catch (error) {
      failure = error
    }
    // A stream left in capture could never be used again.
    const out = new BigUint64Array(1)
    try {
      this.driver.call('cuStreamEndCapture', this.handle, out)
    } catch (error) {
      throw failure ?? error
    }
    if (failure !== undefined) {
      this.driver.call('cuGraphDestroy', out[0]!)
      throw failure
    }
    return new Graph(this.driver, out[0]!)
  }

  replay(graph: Graph): void {
    this.driver.call('cuGraphLaunch', graph.executable, this.handle)
  }
}
