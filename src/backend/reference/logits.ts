import { product } from './product.js'

export interface LogitsOperands {
  /** [rows, inputs] */
  readonly x: Float32Array
  /** [vocabulary, inputs] */
  readonly weight: Float32Array
  /** [vocabulary] */
  readonly bias?: Float32Array
  readonly scale?: number
  readonly softCap?: number
  /** [rows, vocabulary] */
  readonly out: Float32Array
  readonly rows: number
  readonly inputs: number
  readonly vocabulary: number
}

/**
 * t = scale * (x weight^T + bias); out = softCap * tanh(t / softCap) (Gemma Team 2024, "Gemma 2"), or t without a cap.
 * Each step is rounded to float32.
 */
export function logits({ x, weight, bias, scale, softCap, out, rows, inputs, vocabulary }: LogitsOperands): void {
  product(x, weight, bias, out, { rows, inputs, outputs: vocabulary })
  const count = rows * vocabulary
  if (scale !== undefined) for (let i = 0; i < count; i++) out[i] = out[i]! * scale
  if (softCap !== undefined) for (let i = 0; i < count; i++) out[i] = softCap * Math.tanh(out[i]! / softCap)
}
