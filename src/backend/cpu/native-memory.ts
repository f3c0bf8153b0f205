import { WarplineError } from '../../errors.js'
import type { Address, CpuLibrary } from './library.js'

const LINE = 64

/** Bytes up to the next cache line. */
export function lines(bytes: number): number {
  return Math.ceil(bytes / LINE) * LINE
}

/** A region of native memory, and JavaScript's views of it. */
export interface Region {
  readonly address: Address
  readonly bytes: number
  buffer(): ArrayBuffer
}

/**
 * What one executor took from the system. Everything goes back at once; views must not be used afterwards. Pages that are
 * never written take no memory.
 */
export class NativeMemory {
  private readonly regions: Region[] = []
  private closed = false

  constructor(private readonly library: CpuLibrary) {}

  /** Zeroed, on a cache line of its own. */
  allocate(bytes: number): Region {
    if (this.closed) throw new WarplineError('executor-closed', 'memory was asked for after it had been given back')
    const { library } = this
    const size = Math.max(LINE, lines(bytes))
    const address = library.allocate(size)
    let view: ArrayBuffer | undefined
    const region = {
      address,
      bytes: size,
      buffer: () => {
        view ??= library.view(address, size)
        return view
      },
    }
    this.regions.push(region)
    return region
  }

  /** Gives one region back early. */
  release(region: Region): void {
    const index = this.regions.indexOf(region)
    if (index < 0) return
    this.regions.splice(index, 1)
    this.library.free(region.address, region.bytes)
  }

  close(): void {
    this.closed = true
    for (const region of this.regions.splice(0)) this.library.free(region.address, region.bytes)
  }
}
