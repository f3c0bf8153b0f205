/** out = x + y, element by element; all of one length. */
export function add(x: Float32Array, y: Float32Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = x[i]! + y[i]!
}
