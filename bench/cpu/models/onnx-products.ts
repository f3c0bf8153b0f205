import { BLOCK, toBytes, toNibbles } from './blocks.js'
import { MICROSOFT, type OnnxGraph } from './onnx.js'
import { transpose, valuesOf, widen } from './values.js'
import type { Weight } from './weights.js'

/** How onnxruntime multiplies: float32, dynamic INT8, or MatMulNBits with 4 bits. */
export type OnnxType = 'FP32' | 'INT8' | 'INT4'

/** `accuracy_level` of MatMulNBits that quantises activations to bytes: its fastest on a CPU. */
const BYTE_ACTIVATIONS = 4

/** Matrix products of one type, each in the form that onnxruntime runs fastest. */
export class Products {
  /** Quantised forms of an input that several products share. */
  private readonly quantised = new Map<string, string>()

  constructor(
    private readonly graph: OnnxGraph,
    private readonly type: OnnxType,
  ) {}

  /** x times the transpose of the weights, their rows one under the other, plus a bias. Returns the name of the result. */
  async multiply(x: string, out: string, weights: readonly Weight[], bias = ''): Promise<string> {
    const columns = weights[0]!.columns
    const values = concatenate(weights.map((weight) => widen(valuesOf(weight))))
    const rows = values.length / columns
    if (this.type === 'INT4') return this.blocks(x, out, values, { rows, columns }, bias)
    if (this.type === 'INT8') return this.bytes(x, out, values, { rows, columns }, bias)
    const { graph } = this
    const weight = await graph.weight(`${out}.weight`, 'float32', [columns, rows], transpose(values, rows, columns))
    const product = graph.node({ op: 'MatMul', inputs: [x, weight], outputs: [bias ? `${out}.product` : out] })
    return bias ? graph.node({ op: 'Add', inputs: [product, bias], outputs: [out] }) : product
  }

  /** Logits [batch, vocabulary] of x [batch, hidden]; a tied float32 table serves as it is. */
  async logits(x: string, out: string, weight: Weight, tied: boolean): Promise<string> {
    if (this.type !== 'FP32' || !tied) return this.multiply(x, out, [weight])
    return this.graph.node({ op: 'Gemm', inputs: [x, 'embedding'], outputs: [out], ints: { transB: 1 } })
  }

  private async bytes(x: string, out: string, values: Float32Array, { rows, columns }: Sizes, bias: string) {
    const { graph } = this
    const { codes, scales } = toBytes(values, columns)
    const weight = await graph.weight(`${out}.weight`, 'int8', [columns, rows], transpose(codes, rows, columns))
    const scale = await graph.weight(`${out}.scale`, 'float32', [rows], scales)
    const known = this.quantised.get(x) ?? `${x}.bytes`
    const [xScale, xZero] = [`${known}.scale`, `${known}.zero`]
    if (!this.quantised.has(x)) {
      graph.node({ op: 'DynamicQuantizeLinear', inputs: [x], outputs: [known, xScale, xZero] })
      this.quantised.set(x, known)
    }
    // What onnxruntime itself makes of MatMulInteger, Cast, Mul and Add.
    const inputs = [known, weight, xScale, scale, xZero, '', bias]
    return graph.node({ op: 'MatMulIntegerToFloat', domain: MICROSOFT, inputs, outputs: [out] })
  }

  private async blocks(x: string, out: string, values: Float32Array, { rows, columns }: Sizes, bias: string) {
    const { graph } = this
    const { codes, scales } = toNibbles(values)
    const inRow = columns / BLOCK
    const weight = await graph.weight(`${out}.weight`, 'uint8', [rows, inRow, BLOCK / 2], codes)
    const scale = await graph.weight(`${out}.scale`, 'float32', [rows * inRow], scales)
    return graph.node({
      op: 'MatMulNBits',
      domain: MICROSOFT,
      inputs: [x, weight, scale, '', '', bias],
      outputs: [out],
      ints: { K: columns, N: rows, bits: 4, block_size: BLOCK, accuracy_level: BYTE_ACTIVATIONS },
    })
  }
}

interface Sizes {
  readonly rows: number
  readonly columns: number
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
