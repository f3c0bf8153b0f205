import type { Context } from '../driver/context.js'
import type { Event } from '../driver/event.js'
import type { Stream } from '../driver/stream.js'
import type { Choices } from './choices.js'
import { type CublasLt, requireSuccess } from './cublaslt.js'
import { type Operands, Product, type ProductShape, type Workspace } from './product.js'

/** Hopper's algorithms want 32 MB (cuBLAS documentation, "cublasSetWorkspace"). */
const WORKSPACE_BYTES = 32 * 2 ** 20
const CANDIDATES = 8
const TIMED_RUNS = 5

/** A product ready to run: operands and algorithm are fixed. */
export interface ReadyProduct {
  run(stream: Stream): void
}

/** Products of any shape by cuBLASLt: the algorithms it offers are timed when a shape is first met, and the fastest is kept. */
export class Products {
  private readonly handle: bigint
  private readonly workspace: Workspace
  private readonly products = new Map<string, { readonly product: Product; algorithm: Uint8Array | undefined }>()
  private readonly clock: { readonly start: Event; readonly end: Event }

  constructor(
    private readonly blas: CublasLt,
    context: Context,
    private readonly stream: Stream,
    private readonly choices: Choices,
  ) {
    const out = new BigUint64Array(1)
    requireSuccess(blas.call('cublasLtCreate', out), 'cublasLtCreate')
    this.handle = out[0]!
    this.workspace = context.allocate(WORKSPACE_BYTES)
    this.clock = { start: context.event(true), end: context.event(true) }
    context.onClose(() => this.close())
  }

  /** Undefined where cuBLASLt has no algorithm for the shape. Runs candidates, overwriting `out`, where the shape is new. */
  prepare(shape: ProductShape, operands: Operands): ReadyProduct | undefined {
    const key = JSON.stringify(shape)
    let entry = this.products.get(key)
    if (!entry) {
      const product = new Product(this.blas, this.handle, shape, this.workspace, CANDIDATES)
      entry = { product, algorithm: this.choose(product, operands) }
      this.products.set(key, entry)
    }
    const { product, algorithm } = entry
    return algorithm && { run: (stream) => product.run(operands, algorithm, stream.handle) }
  }

  private choose(product: Product, operands: Operands): Uint8Array | undefined {
    const { shape, algorithms } = product
    if (algorithms.length < 2) return algorithms[0]
    const known = this.choices.find(shape, algorithms)
    if (known) return known
    const times = algorithms.map((algorithm) => this.time(product, operands, algorithm))
    const best = algorithms[times.indexOf(Math.min(...times))]!
    this.choices.keep(shape, best)
    return best
  }

  /** Microseconds of a run; infinite where the algorithm fails. */
  private time(product: Product, operands: Operands, algorithm: Uint8Array): number {
    const { stream, clock } = this
    try {
      product.run(operands, algorithm, stream.handle)
      stream.mark(clock.start)
      for (let i = 0; i < TIMED_RUNS; i++) product.run(operands, algorithm, stream.handle)
      stream.mark(clock.end)
      clock.end.wait()
      return clock.end.since(clock.start) / TIMED_RUNS
    } catch {
      return Number.POSITIVE_INFINITY
    }
  }

  private close(): void {
    for (const { product } of this.products.values()) product.close()
    requireSuccess(this.blas.call('cublasLtDestroy', this.handle), 'cublasLtDestroy')
  }
}
