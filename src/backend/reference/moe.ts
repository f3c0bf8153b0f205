import type { Activation } from '../../program/operation.js'
import { linear } from './linear.js'
import { product } from './product.js'

export interface MoeOperands {
  /** [tokens, hidden] */
  readonly x: Float32Array
  /** [experts, hidden] */
  readonly router: Float32Array
  /** [experts, outputs, hidden]; outputs = inner, or 2 * inner where gated */
  readonly up: Float32Array
  /** [experts, outputs] */
  readonly upBias?: Float32Array
  /** [experts, hidden, inner] */
  readonly down: Float32Array
  /** [experts, hidden] */
  readonly downBias?: Float32Array
  readonly experts: number
  readonly topK: number
  readonly renormalise: boolean
  readonly gated: boolean
  readonly activation: Activation
  /** [tokens, hidden] */
  readonly out: Float32Array
  readonly tokens: number
  readonly hidden: number
  readonly inner: number
}

/** An expert's part in one token's output. */
interface Share {
  readonly token: number
  readonly weight: number
}

/**
 * Mixture of experts (Shazeer et al. 2017; Jiang et al. 2024, "Mixtral of Experts"): out = sum over the chosen e of
 * p[e] * down_e(activation(up_e(x))), added in ascending order of e.
 */
export function moe(operands: MoeOperands): void {
  const { x, experts, hidden, inner, gated, activation, out, tokens } = operands
  const outputs = gated ? 2 * inner : inner
  const shares = route(operands)
  out.fill(0, 0, tokens * hidden)
  for (let e = 0; e < experts; e++) {
    const rows = shares[e]!.length
    if (rows === 0) continue
    const picked = new Float32Array(rows * hidden)
    shares[e]!.forEach(({ token }, r) => {
      picked.set(x.subarray(token * hidden, (token + 1) * hidden), r * hidden)
    })
    const raised = new Float32Array(rows * inner)
    linear({
      x: picked,
      weight: part(operands.up, e, outputs * hidden),
      bias: operands.upBias && part(operands.upBias, e, outputs),
      ...{ activation, gated, out: raised, rows, inputs: hidden, outputs },
    })
    const weight = part(operands.down, e, hidden * inner)
    const bias = operands.downBias && part(operands.downBias, e, hidden)
    product(raised, weight, bias, picked, { rows, inputs: inner, outputs: hidden })
    shares[e]!.forEach((share, r) => {
      const at = share.token * hidden
      for (let i = 0; i < hidden; i++) out[at + i] = out[at + i]! + share.weight * picked[r * hidden + i]!
    })
  }
}

/** The tokens of each expert, ascending. */
function route({ x, router, experts, topK, renormalise, tokens, hidden }: MoeOperands): Share[][] {
  const scores = new Float32Array(tokens * experts)
  product(x, router, undefined, scores, { rows: tokens, inputs: hidden, outputs: experts })
  const shares: Share[][] = Array.from({ length: experts }, () => [])
  for (let token = 0; token < tokens; token++) {
    const p = softmax(scores.subarray(token * experts, (token + 1) * experts))
    const chosen = largest(p, topK)
    const total = renormalise ? chosen.reduce((sum, e) => sum + p[e]!, 0) : 1
    for (const e of chosen) shares[e]!.push({ token, weight: p[e]! / total })
  }
  return shares
}

/** exp(s_i - max s) / sum, rounded to float32. */
function softmax(scores: Float32Array): Float32Array {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = Array.from(scores, (score) => Math.exp(score - most))
  const total = powers.reduce((sum, power) => sum + power, 0)
  return Float32Array.from(powers, (power) => power / total)
}

/** Indices of the `count` largest values; of equal ones the first. */
function largest(values: Float32Array, count: number): number[] {
  return Array.from(values.keys())
    .sort((a, b) => values[b]! - values[a]! || a - b)
    .slice(0, count)
}

function part(values: Float32Array, index: number, length: number): Float32Array {
  return values.subarray(index * length, (index + 1) * length)
}
