const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)
const SERIES_LIMIT = 3
const SATURATED = 6 // erf differs from 1 by 2e-17 here

/**
 * The error function, to double precision. Near zero by the series of Abramowitz & Stegun 7.1.6, whose terms are all
 * positive; beyond by the continued fraction of its complement, 7.1.14.
 */
export function erf(x: number): number {
  const magnitude = Math.abs(x)
  if (Number.isNaN(x)) return x
  if (magnitude >= SATURATED) return Math.sign(x)
  return Math.sign(x) * (magnitude < SERIES_LIMIT ? series(magnitude) : 1 - complement(magnitude))
}

/** erf(x) = 2 / sqrt(pi) * exp(-x^2) * sum over n of 2^n x^(2n + 1) / (1 * 3 * ... * (2n + 1)). */
function series(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return TWO_OVER_ROOT_PI * Math.exp(-x * x) * sum
}

/** erfc(x) = exp(-x^2) / sqrt(pi) / (x + (1/2) / (x + 1 / (x + (3/2) / (x + ...)))). */
function complement(x: number): number {
  let denominator = x
  for (let n = 60; n >= 1; n--) denominator = x + n / 2 / denominator
  return (Math.exp(-x * x) * TWO_OVER_ROOT_PI) / 2 / denominator
}
