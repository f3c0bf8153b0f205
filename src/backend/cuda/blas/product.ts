import type { KernelType } from '../codes.js'
import { type BlasArgument, type BlasFunction, type CublasLt, requireSuccess } from './cublaslt.js'

/** cudaDataType, cublasComputeType_t and attribute numbers (library_types.h, cublas_api.h, cublasLt.h). */
const DATA_TYPE: Readonly<Record<KernelType, number>> = { f32: 0, f16: 2, bf16: 14 }
const COMPUTE_F32 = 68
const TRANSPOSE_A = 3
const TRANSPOSED = 1
const MAX_WORKSPACE = 1

/** cublasLtMatmulHeuristicResult_t: 64 bytes of algorithm, workspace size, status, waves, reserved. */
const RESULT_BYTES = 96
const ALGORITHM_BYTES = 64

/** d[m, n] = x[m, k] w[n, k]^T + beta c[m, n], all row-major: what cuBLAS, which thinks in columns, calls an n x m product. */
export interface ProductShape {
  readonly rows: number
  readonly outputs: number
  readonly inputs: number
  readonly type: KernelType
  readonly outType: KernelType
  readonly beta: 0 | 1
}

export interface Operands {
  readonly weight: bigint
  readonly x: bigint
  readonly addend: bigint
  readonly out: bigint
}

export interface Workspace {
  readonly address: bigint
  readonly bytes: number
}

/** One product's descriptors and the algorithms that cuBLASLt offers for it, likeliest first. */
export class Product {
  readonly algorithms: readonly Uint8Array[]
  private readonly handles: { readonly destroy: BlasFunction; readonly handle: bigint }[] = []
  private readonly description: bigint
  private readonly layouts: { readonly weight: bigint; readonly x: bigint; readonly out: bigint }
  private readonly one = Float32Array.of(1)
  private readonly beta: Float32Array

  constructor(
    private readonly blas: CublasLt,
    private readonly library: bigint,
    readonly shape: ProductShape,
    private readonly workspace: Workspace,
    candidates: number,
  ) {
    const { rows, outputs, inputs, type, outType } = shape
    this.beta = Float32Array.of(shape.beta)
    this.description = this.create('cublasLtMatmulDescDestroy', 'cublasLtMatmulDescCreate', COMPUTE_F32, DATA_TYPE.f32)
    const set = Int32Array.of(TRANSPOSED)
    this.call('cublasLtMatmulDescSetAttribute', this.description, TRANSPOSE_A, set, 4)
    const layout = (kind: KernelType, height: number, width: number) =>
      this.create('cublasLtMatrixLayoutDestroy', 'cublasLtMatrixLayoutCreate', DATA_TYPE[kind], height, width, height)
    this.layouts = {
      weight: layout(type, inputs, outputs),
      x: layout(type, inputs, rows),
      out: layout(outType, outputs, rows),
    }
    this.algorithms = this.findAlgorithms(candidates)
  }

  run({ weight, x, addend, out }: Operands, algorithm: Uint8Array, stream: bigint): void {
    const { layouts, workspace } = this
    this.call(
      'cublasLtMatmul',
      ...[this.library, this.description, this.one, weight, layouts.weight, x, layouts.x, this.beta],
      ...[this.shape.beta ? addend : out, layouts.out, out, layouts.out],
      ...[algorithm, workspace.address, workspace.bytes, stream],
    )
  }

  close(): void {
    for (const { destroy, handle } of this.handles.splice(0).reverse()) this.call(destroy, handle)
  }

  private findAlgorithms(most: number): Uint8Array[] {
    const { layouts, workspace } = this
    const preference = this.create('cublasLtMatmulPreferenceDestroy', 'cublasLtMatmulPreferenceCreate')
    const limit = BigUint64Array.of(BigInt(workspace.bytes))
    this.call('cublasLtMatmulPreferenceSetAttribute', preference, MAX_WORKSPACE, limit, 8)
    const results = new Uint8Array(most * RESULT_BYTES)
    const found = new Int32Array(1)
    const status = this.blas.call(
      'cublasLtMatmulAlgoGetHeuristic',
      ...[this.library, this.description, layouts.weight, layouts.x, layouts.out, layouts.out],
      ...[preference, most, results, found],
    )
    // No algorithm at all is an answer too: the caller has products of its own.
    if (status !== 0) return []
    return Array.from({ length: found[0]! }, (_, i) =>
      results.slice(i * RESULT_BYTES, i * RESULT_BYTES + ALGORITHM_BYTES),
    )
  }

  private create(destroy: BlasFunction, name: BlasFunction, ...values: BlasArgument[]): bigint {
    const out = new BigUint64Array(1)
    this.call(name, out, ...values)
    this.handles.push({ destroy, handle: out[0]! })
    return out[0]!
  }

  private call(name: BlasFunction, ...values: BlasArgument[]): void {
    requireSuccess(this.blas.call(name, ...values), name)
  }
}
