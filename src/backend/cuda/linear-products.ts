import type { Linear, Logits } from '../../program/operation.js'
import type { Products } from './blas/products.js'
import { ACTIVATION } from './codes.js'
import type { Address, Launch, Places, StepSizes } from './launch/launch.js'
import { epilogueLaunch } from './launch/linear.js'
import { optional } from './launch/optional.js'
import type { Work } from './plan.js'

/** From this many rows, arithmetic and not the reading of weights bounds a product, and cuBLASLt takes it. */
const LARGE = 65

/** Large products by cuBLASLt, and what it leaves to do after them. */
export class LinearProducts {
  constructor(private readonly products: Products) {}

  /** Undefined where our own kernels are to compute it. */
  linear(op: Linear, at: Places, sizes: StepSizes): Work[] | undefined {
    const rows = at.rowsOf(op.x, sizes)
    if (rows < LARGE) return undefined
    const { rows: outputs, columns: inputs, type } = at.weight(op.weight)
    const plain = !op.bias && !op.activation && !op.gated && !op.multiply
    const target = op.gated ? at.scratch(rows * outputs * (type === 'f32' ? 4 : 2)) : at.of(op.out)
    const addend = plain && op.residual ? at.of(op.residual) : 0n
    const product = this.products.prepare(
      { rows, outputs, inputs, type, outType: type, beta: addend ? 1 : 0 },
      { weight: at.weight(op.weight).address, x: at.of(op.x), addend, out: target },
    )
    if (!product) return undefined
    return plain ? [{ product }] : [{ product }, { launch: epilogueOf(op, target, rows, at) }]
  }

  logits(op: Logits, at: Places, sizes: StepSizes): Work[] | undefined {
    const plain = !op.bias && !op.softCap && (op.scale ?? 1) === 1
    if (sizes.rows < LARGE || !plain) return undefined
    const { address: weight, rows: outputs, columns: inputs, type } = at.weight(op.weight)
    const product = this.products.prepare(
      { rows: sizes.rows, outputs, inputs, type, outType: 'f32', beta: 0 },
      { weight, x: at.of(op.x), addend: 0n, out: at.of(op.out) },
    )
    return product && [{ product }]
  }
}

/** Bias, activation, gate and residual, on what the product left at `t`. */
function epilogueOf(op: Linear, t: Address, rows: number, at: Places): Launch {
  const { rows: outputs, type } = at.weight(op.weight)
  return epilogueLaunch(type, {
    ...{ t, bias: optional(op.bias, at), multiply: optional(op.multiply, at), residual: optional(op.residual, at) },
    ...{ out: at.of(op.out), rows, out_stride: at.widthOf(op.out) },
    outputs: op.gated ? outputs / 2 : outputs,
    activation: op.activation && ACTIVATION[op.activation],
    gated: op.gated ? 1 : 0,
    wide: type === 'f32' ? 1 : 0,
    t_wide: type === 'f32' ? 1 : 0,
  })
}
