// exp, tanh, logistic sigmoid and the normal distribution on vectors, to about 2 units in the last place of f32; every
// lane is computed alike, so a value's result does not depend on where in a vector it stands. Polynomials are minimax
// fits (Lawson's algorithm, relative error) made for this file; errors measured by test/math.cc.
#ifndef WARPLINE_SIMD_MATH_H
#define WARPLINE_SIMD_MATH_H

#include "simd.h"

namespace warpline::WL_LEVEL {

// 2^n for integral n in [-252, 254]: in two factors, since one f32 exponent reaches neither end.
WL_INLINE vf times_power_of_two(vf v, vi n) {
  const vi half = n >> 1;
  const vf low = as_float((half + splat_int(127)) << 23);
  const vf high = as_float((n - half + splat_int(127)) << 23);
  return v * low * high;
}

// exp(x): 0 below -104, Infinity above 88.8, NaN for NaN. x = n ln 2 + r with |r| <= ln 2 / 2; the polynomial is of
// (exp(r) - 1 - r) / r^2, error 3e-9.
WL_INLINE vf exp(vf x) {
  const vf clamped = max(splat(-104.0f), min(splat(89.0f), x));
  const vi n = round_int(clamped * splat(1.44269504f));
  const vf k = to_float(n);
  vf r = fma(k, splat(-0.693145752f), clamped);  // the leading 15 bits of ln 2: k times it is exact
  r = fma(k, splat(-1.42860682e-6f), r);
  vf p = splat(1.381459851e-3f);
  p = fma(p, r, splat(8.368716884e-3f));
  p = fma(p, r, splat(4.166838805e-2f));
  p = fma(p, r, splat(1.666652063e-1f));
  p = fma(p, r, splat(4.999999345e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
  const vf result = times_power_of_two(p, n);
  return where_less(splat(0.0f), abs(x) + splat(1.0f), result, x);  // false for NaN only
}

// 1 / (1 + exp(-x))
WL_INLINE vf sigmoid(vf x) { return splat(1.0f) / (splat(1.0f) + exp(splat(0.0f) - x)); }

// Near zero x + x^3 P(x^2), error 4e-9; beyond 1 - 2 / (exp(2 |x|) + 1).
WL_INLINE vf tanh(vf x) {
  const vf s = x * x;
  vf p = splat(-5.704986926e-3f);
  p = fma(p, s, splat(2.063908716e-2f));
  p = fma(p, s, splat(-5.373971505e-2f));
  p = fma(p, s, splat(1.333144220e-1f));
  p = fma(p, s, splat(-3.333328194e-1f));
  const vf near = fma(p * s, x, x);
  const vf size = abs(x);
  const vf far = splat(1.0f) - splat(2.0f) / (exp(size + size) + splat(1.0f));
  return where_less(size, splat(0.625f), near, where_less(x, splat(0.0f), splat(0.0f) - far, far));
}

// The standard normal distribution function Phi(x) = erfc(-x / sqrt(2)) / 2, relative error 3e-7 also in the lower
// tail: Phi(-|x|) = exp(-x^2 / 2) t Q(t), t = 1 / (1 + 0.3 |x|), Q's error 3e-9. The square's rounding error is put
// back, as it would be multiplied by x^2 / 2 (where the level does not fuse, nothing is put back: 1e-5 at x = -12).
WL_INLINE vf normal_distribution(vf x) {
  const vf size = min(abs(x), splat(15.0f));
  const vf t = splat(1.0f) / fma(size, splat(0.3f), splat(1.0f));
  vf q = splat(-2.061274990e-02f);
  q = fma(q, t, splat(1.123753760e-01f));
  q = fma(q, t, splat(-2.280666366e-01f));
  q = fma(q, t, splat(1.915806166e-01f));
  q = fma(q, t, splat(-7.924651954e-02f));
  q = fma(q, t, splat(9.605743001e-02f));
  q = fma(q, t, splat(7.842570360e-02f));
  q = fma(q, t, splat(1.102273004e-01f));
  q = fma(q, t, splat(1.195728437e-01f));
  q = fma(q, t, splat(1.196866340e-01f));
  const vf square = size * size;
  const vf lost = fma(size, size, splat(0.0f) - square);
  const vf e = exp(square * splat(-0.5f));
  const vf tail = fma(e, lost * splat(-0.5f), e) * (t * q);
  return where_less(splat(0.0f), x, splat(1.0f) - tail, tail + (x - x));  // x - x: NaN for NaN
}

}  // namespace warpline::WL_LEVEL
#endif
