// One tile of attention: up to kGroup query rows against up to kTile keys.
//
//   scores[r][j] = q_r . k_j                          one chain over head_dim for each score, lanes are keys
//   weights[r][j] = exp(score - largest), largest and total of each row
//   acc[r] = sum over j of weights[r][j] * v_j        one chain over ascending j for each element, lanes are elements
//
// Rows share the loads of keys and values. What is computed for a row does not depend on the rows beside it: chains are
// its own, and keys that only others see are left out of its sums.
#ifndef WARPLINE_ATTENTION_TILE_H
#define WARPLINE_ATTENTION_TILE_H

#include "../../simd/math.h"
#include "../cache.h"

namespace warpline::WL_LEVEL {

// Tiles begin at multiples of kTile, counted from a sequence's first key, whichever keys a step computes: part of what
// makes a token's bits the same in a prompt, in a chunk and alone.
constexpr int kTile = 128;
constexpr int kGroup = 6;

// Vectors of keys or values beside kGroup rows: 24 accumulators of 32 registers, or 12 of 16.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kVectorsBeside = 4;
#else
constexpr int kVectorsBeside = 2;
#endif

// The keys and values of a tile for one head: where each block of it begins. Block tables end where the context does;
// beyond it the last block is repeated and not looked at.
template <class Cache>
struct Tile {
  const typename Cache::Element* keys[kTile / kPad];
  const typename Cache::Element* values[kTile / kPad];
  int64_t block_size;
  int64_t padded;

  // Keys that a block contributes to a tile: blocks may be larger than tiles, and tiles than blocks.
  WL_INLINE_MEMBER int64_t span() const { return block_size < kTile ? block_size : kTile; }
};

// Keys first .. last of a tile, inclusive; empty where first > last.
struct Keys {
  int32_t first;
  int32_t last;

  WL_INLINE_MEMBER bool empty() const { return first > last; }
};

struct Row {
  const float* q;
  float slope;       // ALiBi, 0 where there is none
  int64_t position;  // absolute
  Keys keys;         // that it sees, in this tile
};

template <class Cache, int R, int N>
WL_INLINE void score_vectors(const Row* rows, const Tile<Cache>& tile, int64_t head_dim, int first, float* scores) {
  const typename Cache::Element* keys[N];
  for (int n = 0; n < N; n++) {
    const int64_t key = int64_t{first + n} * kWidth;
    keys[n] = tile.keys[key / tile.span()] + key % tile.span();
  }
  vf sums[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) sums[r][n] = splat(0);
  }
  for (int64_t d = 0; d < head_dim; d++) {
    vf key[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) key[n] = Cache::load(keys[n] + d * tile.block_size);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const vf q = splat(rows[r].q[d]);
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) sums[r][n] = fma(q, key[n], sums[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) store(scores + r * kTile + (first + n) * kWidth, sums[r][n]);
  }
}

// Scores of whole vectors of keys that cover `keys`. scores: [R][kTile].
template <class Cache, int R>
void score(const Row* rows, const Tile<Cache>& tile, int64_t head_dim, Keys keys, float* scores) {
  constexpr int kBeside = R == 1 ? 2 * kVectorsBeside : kVectorsBeside;
  const int end = keys.last / kWidth + 1;
  int v = keys.first / kWidth;
  for (; v + kBeside <= end; v += kBeside) score_vectors<Cache, R, kBeside>(rows, tile, head_dim, v, scores);
  if (kBeside > 4 && v + 4 <= end) {
    score_vectors<Cache, R, 4>(rows, tile, head_dim, v, scores);
    v += 4;
  }
  if (kBeside > 2 && v + 2 <= end) {
    score_vectors<Cache, R, 2>(rows, tile, head_dim, v, scores);
    v += 2;
  }
  if (v < end) score_vectors<Cache, R, 1>(rows, tile, head_dim, v, scores);
}

struct Bias {
  float scale;
  float soft_cap;    // 0: none
  float alibi_scale; // 0: the bias is not rounded to bf16
};

// ALiBi in the precision that Falcon was trained with.
WL_INLINE vf rounded_bias(vf bias) {
  uint16_t half[kWidth];
  store_bf16(half, bias);
  return load_bf16(half);
}

WL_INLINE vf shape_score(vf dot, const Bias& bias, const Row& row, vf key) {
  vf score = dot * splat(bias.scale);
  if (bias.soft_cap > 0) score = splat(bias.soft_cap) * tanh(score / splat(bias.soft_cap));
  if (bias.alibi_scale > 0) return fma(splat(bias.alibi_scale), rounded_bias(splat(row.slope) * key), score);
  if (row.slope == 0) return score;
  return fma(splat(row.slope), key - splat(static_cast<float>(row.position)), score);
}

// exp(x) for x <= 0 as math.h has it but for results below 2^-126, which are 0 here; NaN for NaN.
WL_INLINE vf exp_below_one(vf x) {
  const vf clamped = max(splat(-87.0f), x);
  const vi n = round_int(clamped * splat(1.44269504f));
  const vf k = to_float(n);
  vf r = fma(k, splat(-0.693145752f), clamped);
  r = fma(k, splat(-1.42860677e-6f), r);
  vf p = splat(1.381459851e-3f);
  p = fma(p, r, splat(8.368716884e-3f));
  p = fma(p, r, splat(4.166838805e-2f));
  p = fma(p, r, splat(1.666652063e-1f));
  p = fma(p, r, splat(4.999999345e-1f));
  p = fma(p, r * r, r) + splat(1.0f);
  return where_less(x, splat(-87.0f), splat(0), as_float(as_int(p) + (n << 23)));
}

struct Softened {
  float largest;
  float total;
};

// Scores of the row's keys to weights, in place; of other keys in the same vectors to 0. `tile_start`: the tile's first
// key.
WL_INLINE Softened soften(const Row& row, const Bias& bias, int64_t tile_start, float* scores) {
  const int32_t first = row.keys.first, last = row.keys.last;
  const int32_t from = first / kWidth * kWidth;
  const bool plain = bias.soft_cap <= 0 && row.slope == 0;
  const vf nothing = splat(-__builtin_inff());
  float numbers[kWidth];
  for (int i = 0; i < kWidth; i++) numbers[i] = static_cast<float>(i);
  const vf lane = load(numbers);
  vf most = nothing;
  for (int32_t j = from; j <= last; j += kWidth) {
    vf s = load(scores + j);
    s = plain ? s * splat(bias.scale) : shape_score(s, bias, row, lane + splat(static_cast<float>(tile_start + j)));
    if (j < first || j + kWidth - 1 > last) {
      const vf key = lane + splat(static_cast<float>(j));
      s = where_less(key, splat(static_cast<float>(first)), nothing, s);
      s = where_less(splat(static_cast<float>(last)), key, nothing, s);
    }
    store(scores + j, s);
    most = max(most, s);
  }
  const float top = largest(most);
  vf total = splat(0);
  for (int32_t j = from; j <= last; j += kWidth) {
    const vf weight = exp_below_one(load(scores + j) - splat(top));
    store(scores + j, weight);
    total = total + weight;
  }
  return {top, sum(total)};
}

// Whether sums go on from what is there, or begin at zero.
enum class Sums { kContinue, kBegin };

// acc[R][padded], N vectors from `element`, += weights[R][kTile] * values of keys first .. last.
template <class Cache, int R, int N, Sums kSums>
WL_INLINE void add_value_vectors(const float* weights, const Tile<Cache>& tile, Keys keys, int64_t element,
                                 float* acc) {
  vf sums[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) {
      sums[r][n] = kSums == Sums::kBegin ? splat(0) : load(acc + r * tile.padded + element + n * kWidth);
    }
  }
  for (int64_t j = keys.first; j <= keys.last;) {
    const int64_t span = tile.span();
    const int64_t end = j / span * span + span <= keys.last ? j / span * span + span : keys.last + 1;
    const typename Cache::Element* value = tile.values[j / span] + j % span * tile.padded + element;
    for (; j < end; j++, value += tile.padded) {
      vf v[N];
#pragma GCC unroll 8
      for (int n = 0; n < N; n++) v[n] = Cache::load(value + n * kWidth);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const vf weight = splat(weights[r * kTile + j]);
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) sums[r][n] = fma(weight, v[n], sums[r][n]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) store(acc + r * tile.padded + element + n * kWidth, sums[r][n]);
  }
}

template <class Cache, int R, Sums kSums>
void add_values(const float* weights, const Tile<Cache>& tile, Keys keys, float* acc) {
  if (kSums == Sums::kContinue && keys.empty()) return;
  constexpr int kBeside = R == 1 ? 2 * kVectorsBeside : kVectorsBeside;
  int64_t element = 0;
  for (; element + kBeside * kWidth <= tile.padded; element += kBeside * kWidth) {
    add_value_vectors<Cache, R, kBeside, kSums>(weights, tile, keys, element, acc);
  }
  for (; element + 2 * kWidth <= tile.padded; element += 2 * kWidth) {
    add_value_vectors<Cache, R, 2, kSums>(weights, tile, keys, element, acc);
  }
  for (; element < tile.padded; element += kWidth) {
    add_value_vectors<Cache, R, 1, kSums>(weights, tile, keys, element, acc);
  }
}

// Everything about R rows and a tile but the joining with other tiles. acc: [R][padded], overwritten; scores:
// [R][kTile].
template <class Cache, int R>
void attend_rows(const Row* rows, const Tile<Cache>& tile, const Bias& bias, int64_t head_dim, int64_t tile_start,
                 float* scores, Softened* softened, float* acc) {
  Keys seen = {kTile, -1}, common = {0, kTile - 1};
  bool together = true;  // every row begins where all of them do, as without a window
  for (int r = 0; r < R; r++) {
    const Keys keys = rows[r].keys;
    if (keys.empty()) continue;
    together = together && keys.first == rows[0].keys.first;
    seen = {keys.first < seen.first ? keys.first : seen.first, keys.last > seen.last ? keys.last : seen.last};
    common = {keys.first > common.first ? keys.first : common.first, keys.last < common.last ? keys.last : common.last};
  }
  if (seen.empty()) return;
  score<Cache, R>(rows, tile, head_dim, seen, scores);
  for (int r = 0; r < R; r++) {
    if (!rows[r].keys.empty()) softened[r] = soften(rows[r], bias, tile_start, scores + r * kTile);
  }
  // Keys that all of the rows see go together; the others row by row, in their places before and behind.
  if (together) {
    add_values<Cache, R, Sums::kBegin>(scores, tile, common, acc);
  } else {
    for (int r = 0; r < R; r++) {
      const Keys before = {rows[r].keys.first, common.empty() ? rows[r].keys.last : common.first - 1};
      add_values<Cache, 1, Sums::kBegin>(scores + r * kTile, tile, before, acc + r * tile.padded);
    }
    add_values<Cache, R, Sums::kContinue>(scores, tile, common, acc);
  }
  if (common.empty()) return;
  for (int r = 0; r < R; r++) {
    const Keys behind = {common.last + 1, rows[r].keys.last};
    add_values<Cache, 1, Sums::kContinue>(scores + r * kTile, tile, behind, acc + r * tile.padded);
  }
}

}  // namespace warpline::WL_LEVEL
#endif
