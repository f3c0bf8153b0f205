/** out[r] = x[rows[r]]. x: [tokens, width], out: [rows, width]. */
export function gatherRows(x: Float32Array, rows: Int32Array, out: Float32Array, width: number): void {
  rows.forEach((row, r) => {
    out.set(x.subarray(row * width, (row + 1) * width), r * width)
  })
}
