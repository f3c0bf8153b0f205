// Quantising a group of weights: the scale (rounded to what is stored) and the codes that give the least squared error.
//
// INT8: codes -127 .. 127. The largest magnitude over 127, and values about it that clip the largest weights a little
// but make every step smaller; as accurate as GGUF's Q8_0, which stops at the first. INT4: codes -8 .. 7 and a scale of
// either sign, so that the longer side can serve the longer tail. Candidates place the extreme weight at 6 to 9.5
// steps; the winner's scale is then refitted to its codes by least squares, w.q / q.q, and kept if that is better.
// GGUF's Q4_0 is the candidate at -8 alone. Candidates are tried side by side, one a lane.
#ifndef WARPLINE_QUANTISE_H
#define WARPLINE_QUANTISE_H

#include "panel.h"

namespace warpline::WL_LEVEL {

// A group padded with zeros to whole vectors; at most 128 weights.
struct Group {
  const float* weights;
  int count;  // a multiple of kWidth
};

struct CodeRange {
  float low, high;
};
constexpr CodeRange kInt8Range = {-127, 127};
constexpr CodeRange kInt4Range = {-8, 7};

WL_INLINE vf codes_of(vf w, vf inverse, CodeRange range) {
  return to_float(round_int(min(max(w * inverse, splat(range.low)), splat(range.high))));
}

// 1 / scale, or 0 for a scale of 0.
WL_INLINE vf inverse_of(vf scale) {
  const vf inverse = splat(1) / scale;
  return where_less(splat(0), abs(scale), inverse, splat(0));
}

WL_INLINE vf round_bf16(vf v) {
  uint16_t halves[kWidth];
  store_bf16(halves, v);
  return load_bf16(halves);
}

// The squared error of each lane's scale.
WL_INLINE vf errors_of(const Group& g, vf scales, CodeRange range) {
  const vf inverse = inverse_of(scales);
  vf error = splat(0);
  for (int i = 0; i < g.count; i++) {
    const vf w = splat(g.weights[i]);
    const vf missed = w - codes_of(w, inverse, range) * scales;
    error = fma(missed, missed, error);
  }
  return error;
}

struct Choice {
  float scale;
  float error;
};

// The best of extreme / steps[i], each rounded to bf16; of equal ones the first.
template <int Count>
WL_INLINE Choice best_of(const Group& g, float extreme, const float (&steps)[Count], CodeRange range) {
  static_assert(Count % kWidth == 0, "whole vectors of candidates");
  Choice best = {0, -1};
  for (int i = 0; i < Count; i += kWidth) {
    float scales[kWidth], errors[kWidth];
    const vf candidates = round_bf16(splat(extreme) / load(steps + i));
    store(scales, candidates);
    store(errors, errors_of(g, candidates, range));
    for (int lane = 0; lane < kWidth; lane++) {
      if (best.error < 0 || errors[lane] < best.error) best = {scales[lane], errors[lane]};
    }
  }
  return best;
}

// The scale that suits the codes of `scale` best: w.q / q.q.
WL_INLINE float refitted(const Group& g, float scale, CodeRange range) {
  vf product = splat(0), square = splat(0);
  for (int i = 0; i < g.count; i += kWidth) {
    const vf w = load(g.weights + i);
    const vf q = codes_of(w, inverse_of(splat(scale)), range);
    product = fma(w, q, product);
    square = fma(q, q, square);
  }
  const float squares = sum(square);
  return squares == 0 ? 0 : sum(product) / squares;
}

// The weight of largest magnitude, with its sign.
WL_INLINE float extreme_of(const Group& g) {
  vf high = load(g.weights), low = high;
  for (int i = kWidth; i < g.count; i += kWidth) {
    high = max(high, load(g.weights + i));
    low = min(low, load(g.weights + i));
  }
  const float most = largest(high), least = -largest(splat(0) - low);
  return most > -least ? most : least;
}

constexpr float kInt8Steps[16] = {127,     126.5f, 127.25f, 127.5f, 127.75f, 128, 128.25f, 128.5f,
                                  128.75f, 129,    129.5f,  130,    130.5f,  131, 132,     133};
constexpr float kInt4Steps[16] = {-8,    -6, -6.5f, -7,    -7.25f, -7.5f, -7.75f, -8.25f,
                                  -8.5f, -9, -9.5f, 6.25f, 6.75f,  7,     7.25f,  7.5f};

WL_INLINE float int8_scale(const Group& g) {
  const float extreme = extreme_of(g);
  return best_of(g, extreme < 0 ? -extreme : extreme, kInt8Steps, kInt8Range).scale;
}

WL_INLINE float int4_scale(const Group& g) {
  const Choice best = best_of(g, extreme_of(g), kInt4Steps, kInt4Range);
  float scale[kWidth], error[kWidth];
  const vf other = round_bf16(splat(refitted(g, best.scale, kInt4Range)));
  store(scale, other);
  store(error, errors_of(g, other, kInt4Range));
  return error[0] < best.error ? scale[0] : best.scale;
}

}  // namespace warpline::WL_LEVEL
#endif
