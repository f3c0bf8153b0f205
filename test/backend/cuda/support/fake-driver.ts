import type { Argument, DriverFunction, RawDriver } from '../../../../src/backend/cuda/driver/raw.js'

export interface Call {
  readonly name: DriverFunction
  readonly values: readonly Argument[]
}

const CREATES: Partial<Record<DriverFunction, DriverFunction>> = {
  cuMemAlloc_v2: 'cuMemFree_v2',
  cuMemHostAlloc: 'cuMemFreeHost',
  cuStreamCreate: 'cuStreamDestroy_v2',
  cuEventCreate: 'cuEventDestroy_v2',
  cuModuleLoadData: 'cuModuleUnload',
  cuGraphInstantiateWithFlags: 'cuGraphExecDestroy',
  cuStreamEndCapture: 'cuGraphDestroy',
}

/** Records every call, hands out fresh handles, and knows which of them were given back. */
export class FakeDriver implements RawDriver {
  readonly calls: Call[] = []
  /** What the next call of a function returns instead of success. */
  readonly failures = new Map<DriverFunction, number>()
  readonly attributes = new Map<number, number>([
    [16, 132],
    [38, 50 * 2 ** 20],
    [75, 9],
    [76, 0],
    [97, 227 * 1024],
  ])
  /** Open handles by the function that gives them back. */
  readonly open = new Map<DriverFunction, Set<bigint>>()
  private readonly memory = new Map<bigint, ArrayBuffer>()
  private readonly addresses = new Map<ArrayBufferLike, bigint>()
  private next = 0x1000n

  call(name: DriverFunction, ...values: Argument[]): number {
    this.calls.push({ name, values: [...values] })
    const failure = this.failures.get(name)
    if (failure !== undefined) {
      this.failures.delete(name)
      return failure
    }
    this.answer(name, values)
    return 0
  }

  errorName(result: number): string {
    return `CUDA_ERROR_${result}`
  }

  view(address: bigint, bytes: number): ArrayBuffer {
    const memory = this.memory.get(address) ?? new ArrayBuffer(bytes)
    this.memory.set(address, memory)
    return memory
  }

  addressOf(array: ArrayBufferView): bigint {
    const known = this.addresses.get(array.buffer)
    if (known !== undefined) return known + BigInt(array.byteOffset)
    this.addresses.set(array.buffer, this.fresh(array.buffer.byteLength))
    return this.addressOf(array)
  }

  /** The array whose address was asked for. */
  recordAt(address: bigint): ArrayBuffer {
    for (const [buffer, at] of this.addresses) if (at === address) return buffer as ArrayBuffer
    throw new Error(`no array lies at ${address}`)
  }

  named(name: DriverFunction): Call[] {
    return this.calls.filter((call) => call.name === name)
  }

  /** Handles that nobody gave back. */
  leaks(): string[] {
    return [...this.open].flatMap(([name, handles]) => [...handles].map((handle) => `${name}(${handle})`))
  }

  private answer(name: DriverFunction, values: readonly Argument[]): void {
    for (const [close, handles] of this.open)
      if (close === name && !handles.delete(values[0] as bigint)) throw new Error(`${name}: ${values[0]} is not open`)
    const closer = CREATES[name]
    const out = name === 'cuStreamEndCapture' ? values[1] : values[0]
    if (name === 'cuDeviceGetAttribute') (values[0] as Int32Array)[0] = this.attributes.get(values[1] as number) ?? 0
    else if (name === 'cuDeviceGetCount') (values[0] as Int32Array)[0] = 1
    else if (name === 'cuDriverGetVersion') (values[0] as Int32Array)[0] = 13000
    else if (name === 'cuDeviceGetName') (values[0] as Uint8Array).set(new TextEncoder().encode('Fake GPU\0'))
    else if (out instanceof BigUint64Array) {
      const handle = this.fresh(name === 'cuMemAlloc_v2' ? Number(values[1]) : 256)
      out[0] = handle
      if (closer) this.open.set(closer, (this.open.get(closer) ?? new Set()).add(handle))
    }
  }

  private fresh(bytes: number): bigint {
    const address = this.next
    this.next += BigInt(Math.ceil(bytes / 256 + 1) * 256)
    return address
  }
}
