export interface NormOperands {
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  /** [rows, width] each */
  readonly x: Float32Array
  readonly adds: readonly Float32Array[]
  /** [width] */
  readonly weight?: Float32Array
  readonly bias?: Float32Array
  /** [rows, width] */
  readonly sum?: Float32Array
  readonly out: Float32Array
  readonly rows: number
  readonly width: number
}

/** sum = x + adds[0] + adds[1] + ..., rounded to float32 after each; out = the normalised sum, row by row. */
export function norm({ norm, epsilon, x, adds, weight, bias, sum, out, rows, width }: NormOperands): void {
  const row = new Float32Array(width)
  for (let r = 0; r < rows; r++) {
    const at = r * width
    for (let i = 0; i < width; i++) row[i] = x[at + i]!
    for (const add of adds) for (let i = 0; i < width; i++) row[i] = row[i]! + add[at + i]!
    sum?.set(row, at)
    normalise(row, { norm, epsilon, weight, bias })
    out.set(row, at)
  }
}

export interface Normalisation {
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  readonly weight?: Float32Array
  readonly bias?: Float32Array
}

/**
 * In place. layer (Ba et al. 2016): (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * weight + bias.
 * rms (Zhang & Sennrich 2019): x / sqrt(mean(x^2) + epsilon) * weight + bias.
 */
export function normalise(row: Float32Array, { norm, epsilon, weight, bias }: Normalisation): void {
  const width = row.length
  let mean = 0
  if (norm === 'layer') {
    for (let i = 0; i < width; i++) mean += row[i]!
    mean /= width
  }
  let squares = 0
  for (let i = 0; i < width; i++) squares += (row[i]! - mean) ** 2
  const factor = 1 / Math.sqrt(squares / width + epsilon)
  for (let i = 0; i < width; i++) {
    const scaled = (row[i]! - mean) * factor * (weight ? weight[i]! : 1)
    row[i] = bias ? scaled + bias[i]! : scaled
  }
}
