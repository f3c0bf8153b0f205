/**
 * ALiBi slopes (Press et al. 2022), one a head: for n = 2^k heads a geometric sequence from 2^(-8/n) on; other counts
 * take every other slope of twice the next lower power of two for the heads that are left. In float32 steps, as the
 * checkpoints' own code computes them.
 */
export function alibiSlopes(heads: number): number[] {
  const power = 2 ** Math.floor(Math.log2(heads))
  const first = geometric(power, power, 1)
  return [...first, ...geometric(2 * power, heads - power, 2)]
}

/** base^1, base^(1 + stride), ...: `count` of the slopes for `heads` heads. */
function geometric(heads: number, count: number, stride: number): number[] {
  const base = Math.fround(2 ** -(8 / heads))
  return Array.from({ length: count }, (_, i) => Math.fround(base ** (1 + stride * i)))
}
