import type { Driver } from './driver.js'

/** A point in a stream's work. */
export class Event {
  constructor(
    private readonly driver: Driver,
    readonly handle: bigint,
  ) {}

  /** Whether everything before it is done; throws if the work failed. */
  get isDone(): boolean {
    return this.driver.isReady('cuEventQuery', this.handle)
  }

  /** Blocks the thread. */
  wait(): void {
    this.driver.call('cuEventSynchronize', this.handle)
  }

  /** Microseconds from an earlier event; both were made with timing. */
  since(earlier: Event): number {
    const milliseconds = new Float32Array(1)
    this.driver.call('cuEventElapsedTime', milliseconds, earlier.handle, this.handle)
    return milliseconds[0]! * 1000
  }
}
