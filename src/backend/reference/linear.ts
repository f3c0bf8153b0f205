import type { Activation } from '../../program/operation.js'
import { activations } from './activations.js'
import { product } from './product.js'

export interface LinearOperands {
  /** [rows, inputs] */
  readonly x: Float32Array
  /** [outputs, inputs] */
  readonly weight: Float32Array
  /** [outputs] */
  readonly bias?: Float32Array
  readonly activation?: Activation
  readonly gated?: boolean
  /** [rows, outputs] */
  readonly multiply?: Float32Array
  /** [rows, outputs] */
  readonly residual?: Float32Array
  /** [rows, outputs], or half as wide where gated. */
  readonly out: Float32Array
  readonly rows: number
  readonly inputs: number
  readonly outputs: number
}

const GATED_ROWS = 16

/**
 * t = x weight^T + bias; out = activation(t) * multiply + residual, each step rounded to float32. Gated (Shazeer 2020,
 * "GLU Variants Improve Transformer"): the first half of t's columns is the gate, out = activation(gate) * rest.
 */
export function linear(operands: LinearOperands): void {
  if (operands.gated) gatedLinear(operands)
  else plainLinear(operands)
}

function plainLinear(operands: LinearOperands): void {
  const { x, weight, bias, activation, multiply, residual, out, rows, outputs } = operands
  product(x, weight, bias, out, operands)
  const count = rows * outputs
  if (activation) {
    const activate = activations[activation]
    for (let i = 0; i < count; i++) out[i] = activate(out[i]!)
  }
  if (multiply) for (let i = 0; i < count; i++) out[i] = out[i]! * multiply[i]!
  if (residual) for (let i = 0; i < count; i++) out[i] = out[i]! + residual[i]!
}

function gatedLinear({ x, weight, bias, activation, out, rows, inputs, outputs }: LinearOperands): void {
  const activate = activations[activation!]
  const width = outputs / 2
  const products = new Float32Array(Math.min(rows, GATED_ROWS) * outputs)
  for (let first = 0; first < rows; first += GATED_ROWS) {
    const count = Math.min(GATED_ROWS, rows - first)
    product(x.subarray(first * inputs), weight, bias, products, { rows: count, inputs, outputs })
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < width; i++) {
        const gate = Math.fround(activate(products[r * outputs + i]!))
        out[(first + r) * width + i] = gate * products[r * outputs + width + i]!
      }
    }
  }
}
