/**
 * out[r, n] = sum over k of x[r, k] * weight[n, k] + bias[n]. x: [rows, inputs], weight: [outputs, inputs],
 * out: [rows, outputs].
 *
 * Every element is summed in float64 over ascending k, whatever number of rows or outputs stands beside it. Four outputs
 * are computed at once, because one running sum alone would wait for each addition.
 */
export function product(
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array | undefined,
  out: Float32Array,
  shape: { readonly rows: number; readonly inputs: number; readonly outputs: number },
): void {
  const { rows, inputs, outputs } = shape
  const groups = outputs - (outputs % 4)
  for (let n = 0; n < groups; n += 4) {
    const w0 = n * inputs
    const w1 = w0 + inputs
    const w2 = w1 + inputs
    const w3 = w2 + inputs
    for (let r = 0; r < rows; r++) {
      const row = r * inputs
      let s0 = 0
      let s1 = 0
      let s2 = 0
      let s3 = 0
      for (let k = 0; k < inputs; k++) {
        const value = x[row + k]!
        s0 += value * weight[w0 + k]!
        s1 += value * weight[w1 + k]!
        s2 += value * weight[w2 + k]!
        s3 += value * weight[w3 + k]!
      }
      const at = r * outputs + n
      out[at] = bias ? s0 + bias[n]! : s0
      out[at + 1] = bias ? s1 + bias[n + 1]! : s1
      out[at + 2] = bias ? s2 + bias[n + 2]! : s2
      out[at + 3] = bias ? s3 + bias[n + 3]! : s3
    }
  }
  for (let n = groups; n < outputs; n++) {
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let k = 0; k < inputs; k++) sum += x[r * inputs + k]! * weight[n * inputs + k]!
      out[r * outputs + n] = bias ? sum + bias[n]! : sum
    }
  }
}
