import { WarplineError } from '../../../errors.js'
import type { Argument, DriverFunction, RawDriver } from './raw.js'

const SUCCESS = 0
const OUT_OF_MEMORY = 2
const NOT_READY = 600

/** Calls the driver and turns its results into errors that name the call and its arguments. */
export class Driver {
  constructor(readonly raw: RawDriver) {}

  /** Throws `cuda-failed`, or `out-of-memory` where the driver says so. */
  call(name: DriverFunction, ...values: Argument[]): void {
    const result = this.raw.call(name, ...values)
    if (result !== SUCCESS) throw this.failure(result, name, values)
  }

  /** For functions that answer with one handle or address. */
  handle(name: DriverFunction, ...values: Argument[]): bigint {
    const out = new BigUint64Array(1)
    this.call(name, out, ...values)
    return out[0]!
  }

  integer(name: DriverFunction, ...values: Argument[]): number {
    const out = new Int32Array(1)
    this.call(name, out, ...values)
    return out[0]!
  }

  /** Whether an event, asked about by `name`, has come to pass. */
  isReady(name: 'cuEventQuery', event: bigint): boolean {
    const result = this.raw.call(name, event)
    if (result === NOT_READY) return false
    if (result !== SUCCESS) throw this.failure(result, name, [event])
    return true
  }

  private failure(result: number, name: DriverFunction, values: readonly Argument[]): WarplineError {
    const call = `${name}(${values.map(show).join(', ')})`
    const error = this.raw.errorName(result)
    if (result === OUT_OF_MEMORY) {
      return new WarplineError(
        'out-of-memory',
        `${error} from ${call}; choose a smaller memoryFraction, cache, batch, dtype or model, or free the GPU's memory`,
      )
    }
    return new WarplineError('cuda-failed', `${error} from ${call}`)
  }
}

function show(value: Argument): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (typeof value === 'object') return value.byteLength <= 8 ? 'out' : `${value.byteLength} bytes`
  return JSON.stringify(value)
}
