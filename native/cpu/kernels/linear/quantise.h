// Quantising groups of weights, those of kWidth outputs side by side: the scale of each (rounded to what is stored) and
// the codes that give the least squared error.
//
// INT8: codes -127 .. 127. The largest magnitude over 127, and values about it that clip the largest weights a little
// but make every step smaller; as accurate as GGUF's Q8_0, which stops at the first. INT4: codes -8 .. 7 and a scale of
// either sign, so that the longer side can serve the longer tail. Candidates place the extreme weight at 6 to 9.5
// steps; the winner's scale is then refitted to its codes by least squares, w.q / q.q, and kept if that is better.
// GGUF's Q4_0 is the candidate at -8 alone.
#ifndef WARPLINE_QUANTISE_H
#define WARPLINE_QUANTISE_H

#include "panel.h"

namespace warpline::WL_LEVEL {

// A group of each of kWidth outputs.
struct Group {
  const float* weights;  // [count][kWidth]
  int count;

  WL_INLINE_MEMBER vf at(int k) const { return load(weights + k * kWidth); }
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

struct Choice {
  vf scale;
  vf error;  // squared
};

WL_INLINE Choice choice_of(const Group& g, vf scale, CodeRange range) {
  const vf inverse = inverse_of(scale);
  vf error = splat(0);
  for (int k = 0; k < g.count; k++) {
    const vf missed = g.at(k) - codes_of(g.at(k), inverse, range) * scale;
    error = fma(missed, missed, error);
  }
  return {scale, error};
}

WL_INLINE Choice better(const Choice& other, const Choice& best) {
  return {where_less(other.error, best.error, other.scale, best.scale),
          where_less(other.error, best.error, other.error, best.error)};
}

// The best of extreme / steps[i], each rounded to bf16; of equal ones the first.
template <int Count>
WL_INLINE Choice best_of(const Group& g, vf extreme, const float (&steps)[Count], CodeRange range) {
  Choice best = choice_of(g, round_bf16(extreme / splat(steps[0])), range);
  for (int i = 1; i < Count; i++) best = better(choice_of(g, round_bf16(extreme / splat(steps[i])), range), best);
  return best;
}

// The scale that suits the codes of `scale` best: w.q / q.q.
WL_INLINE vf refitted(const Group& g, vf scale, CodeRange range) {
  const vf inverse = inverse_of(scale);
  vf product = splat(0), square = splat(0);
  for (int k = 0; k < g.count; k++) {
    const vf q = codes_of(g.at(k), inverse, range);
    product = fma(g.at(k), q, product);
    square = fma(q, q, square);
  }
  return where_less(splat(0), square, product / square, splat(0));
}

WL_INLINE vf largest_magnitude(const Group& g) {
  vf most = splat(0);
  for (int k = 0; k < g.count; k++) most = max(abs(g.at(k)), most);
  return most;
}

// The weight of largest magnitude, with its sign.
WL_INLINE vf extreme_of(const Group& g) {
  vf high = g.at(0), low = high;
  for (int k = 1; k < g.count; k++) {
    high = max(high, g.at(k));
    low = min(low, g.at(k));
  }
  return where_less(splat(0) - low, high, high, low);
}

constexpr float kInt8Steps[] = {127,     126.5f, 127.25f, 127.5f, 127.75f, 128, 128.25f, 128.5f,
                                  128.75f, 129,    129.5f,  130,    130.5f,  131, 132,     133};
constexpr float kInt4Steps[] = {-8,    -6, -6.5f, -7,    -7.25f, -7.5f, -7.75f, -8.25f,
                                  -8.5f, -9, -9.5f, 6.25f, 6.75f,  7,     7.25f,  7.5f};

WL_INLINE vf int8_scale(const Group& g) { return best_of(g, largest_magnitude(g), kInt8Steps, kInt8Range).scale; }

WL_INLINE vf int4_scale(const Group& g) {
  const Choice best = best_of(g, extreme_of(g), kInt4Steps, kInt4Range);
  const vf other = round_bf16(refitted(g, best.scale, kInt4Range));
  return better(choice_of(g, other, kInt4Range), best).scale;
}

}  // namespace warpline::WL_LEVEL
#endif
