import { bf16ToFloat32, float32ToBf16 } from '../../weights/dtype.js'

export interface AttentionOperands {
  /** [tokens, heads, headDim] */
  readonly q: Float32Array
  /** [blocks, blockSize, kvHeads, headDim] */
  readonly keyCache: Float32Array
  readonly valueCache: Float32Array
  readonly blockSize: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly scale: number
  readonly window?: number
  readonly softCap?: number
  /** [heads] */
  readonly alibi?: Float32Array
  readonly alibiScale?: number
  /** [sequences + 1] */
  readonly queryStarts: Int32Array
  /** [sequences] */
  readonly contextLengths: Int32Array
  /** [sequences, width] */
  readonly blockTables: Int32Array
  /** [tokens, heads, headDim] */
  readonly out: Float32Array
}

/**
 * Causal scaled dot-product attention (Vaswani et al. 2017) of a ragged batch over the paged cache (Kwon et al. 2023).
 * For a query at position p and every key j of its sequence with p - window < j <= p:
 *   s_j = scale * q . k_j;  s_j = softCap * tanh(s_j / softCap);  s_j += alibi[head] * (j - p)
 *   (or, with alibiScale, s_j += alibiScale * bf16(alibi[head] * j), which differs by roundings and a constant)
 *   out = sum over j of exp(s_j - max s) v_j / sum over j of exp(s_j - max s)
 * Query head h reads key head floor(h * kvHeads / heads) (Ainslie et al. 2023). Sums run in float64 over ascending j, so
 * a row depends only on its own sequence, never on how the prompt was cut or where its blocks lie.
 */
export function attention(operands: AttentionOperands): void {
  const { heads, headDim, window = Number.POSITIVE_INFINITY, queryStarts, contextLengths } = operands
  const longest = contextLengths.reduce((most, length) => Math.max(most, length), 0)
  const scratch = {
    slots: new Int32Array(longest),
    scores: new Float64Array(longest),
    sums: new Float64Array(headDim),
    biases: roundedBiases(operands, longest),
  }
  for (let s = 0; s < contextLengths.length; s++) {
    const context = contextLengths[s]!
    const end = queryStarts[s + 1]!
    findSlots(operands, s, context, scratch.slots)
    for (let t = queryStarts[s]!; t < end; t++) {
      const position = context - (end - t)
      const first = Math.max(0, position - window + 1)
      for (let h = 0; h < heads; h++) attendHead(operands, t, h, first, position, scratch)
    }
  }
}

interface Scratch {
  /** The slot of each of the sequence's keys. */
  readonly slots: Int32Array
  readonly scores: Float64Array
  readonly sums: Float64Array
  /** [heads, longest context], with alibiScale only. */
  readonly biases?: Float32Array
}

function roundedBiases({ alibi, alibiScale }: AttentionOperands, longest: number): Float32Array | undefined {
  if (!alibi || alibiScale === undefined) return undefined
  const products = Float32Array.from({ length: alibi.length * longest }, (_, i) => {
    return alibi[Math.floor(i / longest)]! * (i % longest)
  })
  return bf16ToFloat32(float32ToBf16(products)).map((product) => alibiScale * product)
}

function findSlots(operands: AttentionOperands, sequence: number, context: number, slots: Int32Array): void {
  const { blockTables, blockSize, contextLengths } = operands
  const width = blockTables.length / contextLengths.length
  for (let j = 0; j < context; j++) {
    const block = blockTables[sequence * width + Math.floor(j / blockSize)]!
    slots[j] = block * blockSize + (j % blockSize)
  }
}

function attendHead(
  operands: AttentionOperands,
  token: number,
  head: number,
  first: number,
  position: number,
  { slots, scores, sums, biases }: Scratch,
): void {
  const { q, keyCache, valueCache, heads, kvHeads, headDim, scale, softCap, alibi, out } = operands
  const stride = kvHeads * headDim
  const kvHead = Math.floor((head * kvHeads) / heads) * headDim
  const query = (token * heads + head) * headDim
  const slope = alibi ? alibi[head]! : 0
  const longest = scores.length
  let largest = Number.NEGATIVE_INFINITY
  for (let j = first; j <= position; j++) {
    let score = scale * dot(q, query, keyCache, slots[j]! * stride + kvHead, headDim)
    if (softCap !== undefined) score = softCap * Math.tanh(score / softCap)
    score += biases ? biases[head * longest + j]! : slope * (j - position)
    scores[j] = score
    if (score > largest) largest = score
  }
  let total = 0
  sums.fill(0)
  for (let j = first; j <= position; j++) {
    const weight = Math.exp(scores[j]! - largest)
    const value = slots[j]! * stride + kvHead
    total += weight
    for (let i = 0; i < headDim; i++) sums[i] = sums[i]! + weight * valueCache[value + i]!
  }
  for (let i = 0; i < headDim; i++) out[query + i] = sums[i]! / total
}

/** Four running sums, joined in one fixed order: one alone would wait for each addition. */
function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  const whole = length - (length % 4)
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let i = 0; i < whole; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!
  }
  for (let i = whole; i < length; i++) s0 += a[aStart + i]! * b[bStart + i]!
  return s0 + s1 + (s2 + s3)
}
