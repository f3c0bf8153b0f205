// One row normalised, for the norm operation and for norms over heads.
//   layer (Ba et al. 2016): (x - mean) / sqrt(mean of (x - mean)^2 + epsilon) * weight + bias
//   rms (Zhang & Sennrich 2019): x / sqrt(mean of x^2 + epsilon) * weight + bias
// Memory is passed once: the row is in first-level cache when it is read again for the deviations, which a single sum
// of squares would lose where the mean is large. Sums run in four vectors, joined in one fixed tree.
#ifndef WARPLINE_NORM_ROW_H
#define WARPLINE_NORM_ROW_H

#include "../commands.h"
#include "vectors.h"

namespace warpline::WL_LEVEL {

struct Normalisation {
  int32_t kind;  // wl_norm_kind
  float epsilon;
  const float* weight;  // [width] or null
  const float* bias;
};

template <class Term>
WL_INLINE float sum_terms(const float* x, int64_t width, Term term) {
  vf sums[4] = {splat(0), splat(0), splat(0), splat(0)};
  int64_t i = 0;
  for (; i + 4 * kWidth <= width; i += 4 * kWidth) {
    for (int j = 0; j < 4; j++) sums[j] = term(sums[j], load(x + i + j * kWidth));
  }
  for (; i + kWidth <= width; i += kWidth) sums[0] = term(sums[0], load(x + i));
  float total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  // Lanes that are not there must not count: their deviation from the mean is not zero.
  for (; i < width; i++) {
    float one[kWidth];
    store(one, term(splat(0), splat(x[i])));
    total += one[0];
  }
  return total;
}

// `out` may be `x`.
WL_INLINE void normalise(const float* x, int64_t width, const Normalisation& n, float* out) {
  const float count = static_cast<float>(width);
  const vf mean = splat(
      n.kind == WL_LAYER_NORM ? sum_terms(x, width, [](vf total, vf v) { return total + v; }) / count : 0.0f);
  const float squares = sum_terms(x, width, [mean](vf total, vf v) { return fma(v - mean, v - mean, total); });
  const vf factor = splat(1.0f / __builtin_sqrtf(squares / count + n.epsilon));
  each_vector(width, [&](int64_t i, auto lanes) {
    const vf scaled = (load(x + i, lanes) - mean) * factor;
    const vf shift = n.bias ? load(n.bias + i, lanes) : splat(0);
    store(out + i, n.weight ? fma(scaled, load(n.weight + i, lanes), shift) : scaled + shift, lanes);
  });
}

}  // namespace warpline::WL_LEVEL
#endif
