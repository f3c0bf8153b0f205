// What one pass over a row of logits finds: the largest, where it is, whether all are finite numbers, and the largest
// of each block of kBlock, by which later passes leave out most of the row.
#ifndef WARPLINE_SAMPLE_SCAN_H
#define WARPLINE_SAMPLE_SCAN_H

#include "../../simd/math.h"

namespace warpline::WL_LEVEL {

constexpr int64_t kBlock = 64;

WL_INLINE int64_t block_count(int64_t n) { return (n + kBlock - 1) / kBlock; }
WL_INLINE int64_t block_end(int64_t block, int64_t n) { return (block + 1) * kBlock < n ? (block + 1) * kBlock : n; }

// All lanes' bits or'ed: 0 where every comparison was false.
WL_INLINE bool any(vi mask) {
  int32_t lanes[kWidth], all = 0;
  memcpy(lanes, &mask, sizeof lanes);
  for (int i = 0; i < kWidth; i++) all |= lanes[i];
  return all != 0;
}

// NaN in lanes that hold one: only then do the magnitude's bits exceed Infinity's.
WL_INLINE vi is_nan(vf v) { return (as_int(v) & splat_int(0x7fffffff)) > splat_int(0x7f800000); }

// The id of the largest value, the lowest on a tie; -1 where a value is NaN or Infinity, or all are -Infinity. `maxima`
// receives the largest of each block.
inline int64_t scan(const float* x, int64_t n, float* maxima) {
  vi nan = splat_int(0);
  float best = -__builtin_inff();
  int64_t best_block = -1;
  for (int64_t b = 0; b < block_count(n); b++) {
    const int64_t end = block_end(b, n);
    int64_t i = b * kBlock;
    vf most = splat(-__builtin_inff());
    for (; i + kWidth <= end; i += kWidth) {
      const vf v = load(x + i);
      most = max(v, most);
      nan |= is_nan(v);
    }
    float block = largest(most);
    for (; i < end; i++) {
      if (x[i] > block) block = x[i];
      nan |= is_nan(splat(x[i]));
    }
    maxima[b] = block;
    if (block > best) {
      best = block;
      best_block = b;
    }
  }
  if (any(nan) || best_block < 0 || best == __builtin_inff()) return -1;
  int64_t id = best_block * kBlock;
  while (x[id] != best) id++;
  return id;
}

// out = x where a token's bit is set, -Infinity elsewhere. Masks are mostly words of nothing or of everything.
inline void apply_mask(const float* x, int64_t n, const uint32_t* allowed, float* out) {
  for (int64_t first = 0; first < n; first += 32) {
    const uint32_t bits = allowed[first / 32];
    const int64_t count = n - first < 32 ? n - first : 32;
    if (bits == 0xffffffffu) {
      memcpy(out + first, x + first, static_cast<size_t>(count) * sizeof(float));
      continue;
    }
    for (int64_t i = 0; i < count; i++) out[first + i] = (bits >> i) & 1 ? x[first + i] : -__builtin_inff();
  }
}

// log(sum of exp(x)): blocks in f32, their sums in double.
inline double log_sum_exp(const float* x, int64_t n, float best) {
  double total = 0;
  for (int64_t b = 0; b < block_count(n); b++) {
    const int64_t end = block_end(b, n);
    int64_t i = b * kBlock;
    vf sums = splat(0);
    for (; i + kWidth <= end; i += kWidth) sums = sums + exp(load(x + i) - splat(best));
    float block = sum(sums);
    for (; i < end; i++) block += exp(splat(x[i] - best))[0];
    total += static_cast<double>(block);
  }
  return best + __builtin_log(total);
}

// Place of a token among the logits, best first, ties by lowest id; the best has 1.
inline int32_t rank_of(const float* x, int64_t n, int64_t token) {
  const float value = x[token];
  int32_t rank = 1;
  int64_t i = 0;
  vi above = splat_int(0);
  for (; i + kWidth <= n; i += kWidth) above -= load(x + i) > splat(value);
  for (; i < n; i++) rank += x[i] > value;
  int32_t lanes[kWidth];
  memcpy(lanes, &above, sizeof lanes);
  for (int lane = 0; lane < kWidth; lane++) rank += lanes[lane];
  for (int64_t j = 0; j < token; j++) rank += x[j] == value;
  return rank;
}

}  // namespace warpline::WL_LEVEL
#endif
