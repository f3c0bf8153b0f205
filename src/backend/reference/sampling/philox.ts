/**
 * Philox4x32-10, the counter-based generator of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3"):
 * four 32-bit words of randomness that depend on nothing but a counter (four words) and a key (two words).
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0 >>> 0)
    const low0 = Math.imul(0xd2511f53, c0)
    const high1 = multiplyHigh(0xcd9e8d57, c2 >>> 0)
    const low1 = Math.imul(0xcd9e8d57, c2)
    c0 = high1 ^ c1 ^ k0
    c1 = low1
    c2 = high0 ^ c3 ^ k1
    c3 = low0
    k0 = (k0 + 0x9e3779b9) | 0
    k1 = (k1 + 0xbb67ae85) | 0
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0]
}

/**
 * The number in [0, 1) that decides a draw: key = seed (low word, high word), counter = (position, sample index, 0, 0),
 * and of the four words w0 and the upper 21 bits of w1 as the fraction's 53 bits: w0 / 2^32 + (w1 >> 11) / 2^53.
 */
export function uniform(seedLow: number, seedHigh: number, position: number, sampleIndex: number): number {
  const [w0, w1] = philox4x32([position, sampleIndex, 0, 0], [seedLow, seedHigh])
  return w0 * 2 ** -32 + (w1 >>> 11) * 2 ** -53
}

/** The upper 32 bits of the product of two unsigned 32-bit numbers; every partial result is exact in a double. */
function multiplyHigh(a: number, b: number): number {
  const lower = Math.floor((a * (b & 0xffff)) / 0x10000)
  return Math.floor((a * (b >>> 16) + lower) / 0x10000)
}
