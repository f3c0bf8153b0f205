import { Choices } from './blas/choices.js'
import { loadCublasLt } from './blas/cublaslt.js'
import { Products } from './blas/products.js'
import type { KernelType } from './codes.js'
import { TYPE_BYTES } from './codes.js'
import { moduleLoader } from './compile/modules.js'
import { Context } from './driver/context.js'
import { listDevices } from './driver/device.js'
import { loadDriver } from './driver/load-driver.js'
import type { Stream } from './driver/stream.js'
import { randomLaunch } from './launch/random.js'
import { readLaunch } from './launch/read.js'

/** What one GPU does at best, measured. */
export interface CudaLimits {
  readonly device: string
  /** Bytes a second of a kernel that only reads. */
  readonly readBytes: number
  /** Of large matrix products by cuBLASLt on random numbers, by type; 0 without cuBLASLt. */
  readonly flops: Readonly<Record<KernelType, number>>
}

const READ_BYTES = 4 * 2 ** 30
const RUNS = 10
const SIDE = 8192

/** Takes about a second. Throws what opening the device throws. */
export async function measureLimits(
  ordinal = 0,
  types: readonly KernelType[] = ['bf16', 'f16', 'f32'],
): Promise<CudaLimits> {
  const raw = await loadDriver()
  const device = listDevices(raw)[ordinal]!
  const context = new Context(raw, device, await moduleLoader(device.architecture))
  try {
    const stream = context.stream()
    const readBytes = readBandwidth(context, stream)
    const flops: Record<KernelType, number> = { f32: 0, f16: 0, bf16: 0 }
    const blas = await loadCublasLt()
    if (blas) {
      const products = new Products(blas, context, stream, new Choices(''))
      for (const type of types) flops[type] = productRate(context, stream, products, type)
    }
    return { device: device.name, readBytes, flops }
  } finally {
    context.close()
  }
}

function readBandwidth(context: Context, stream: Stream): number {
  const region = context.allocate(READ_BYTES)
  stream.fill(region, 0x5a)
  const { launch, bytes } = readLaunch(region.address, region.address, READ_BYTES, context.device.multiprocessors)
  const seconds = timed(context, stream, () => stream.launch(launch, false))
  context.release(region)
  return bytes / seconds
}

function productRate(context: Context, stream: Stream, products: Products, type: KernelType): number {
  const elements = SIDE * SIDE
  const [weight, x, out] = [0, 1, 2].map(() => context.allocate(elements * TYPE_BYTES[type]))
  for (const [seed, region] of [weight, x].entries()) {
    stream.launch(randomLaunch({ seed, mean: 0, scale: 1 }, region!.address, type, 0, elements), false)
  }
  const shape = { rows: SIDE, outputs: SIDE, inputs: SIDE, type, outType: type, beta: 0 } as const
  const operands = { weight: weight!.address, x: x!.address, addend: 0n, out: out!.address }
  const product = products.prepare(shape, operands)
  const seconds = product ? timed(context, stream, () => product.run(stream)) : Number.POSITIVE_INFINITY
  for (const region of [weight, x, out]) context.release(region!)
  return (2 * SIDE ** 3) / seconds
}

/** Seconds of one run: the median of several, after one that is not counted. */
function timed(context: Context, stream: Stream, run: () => void): number {
  run()
  const events = Array.from({ length: RUNS + 1 }, () => context.event(true))
  stream.mark(events[0]!)
  for (let i = 1; i <= RUNS; i++) {
    run()
    stream.mark(events[i]!)
  }
  stream.synchronize()
  const times = events.slice(1).map((event, i) => event.since(events[i]!))
  for (const event of events) context.releaseEvent(event)
  return times.sort((a, b) => a - b)[RUNS >> 1]! / 1e6
}
