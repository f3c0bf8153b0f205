// The activation functions on vectors. GELU: Hendrycks & Gimpel 2016; SiLU: Elfwing et al. 2017; relu2: So et al. 2021.
#ifndef WARPLINE_ACTIVATION_H
#define WARPLINE_ACTIVATION_H

#include "../commands.h"
#include "../simd/math.h"

namespace warpline::WL_LEVEL {

// A is a wl_activation. GELU's tanh form is x * sigmoid(2 u), since (1 + tanh(u)) / 2 = sigmoid(2 u) loses nothing
// where tanh is close to -1.
template <int A>
WL_INLINE vf activate(vf x) {
  if constexpr (A == WL_RELU) return where_less(x, splat(0), splat(0), x);
  if constexpr (A == WL_RELU2) return where_less(x, splat(0), splat(0), x) * x;
  if constexpr (A == WL_GELU) return x * normal_distribution(x);
  if constexpr (A == WL_GELU_TANH) return x * sigmoid(fma(x * x * x, splat(0.0713548163f), x * splat(1.59576912f)));
  if constexpr (A == WL_GELU_QUICK) return x * sigmoid(x * splat(1.702f));
  if constexpr (A == WL_SILU) return x * sigmoid(x);
  if constexpr (A == WL_TANH) return tanh(x);
  return x;
}

}  // namespace warpline::WL_LEVEL
#endif
