// Temperature, top-k, top-p, min-p and the draw itself, on one row: sampling/filters.ts and sampling/draw.ts of
// src/backend/reference say what is computed. A weight is exp((logit - best) / temperature); the best token has 1.
#ifndef WARPLINE_SAMPLE_DRAW_H
#define WARPLINE_SAMPLE_DRAW_H

#include "../../commands.h"
#include "../vectors.h"
#include "select.h"

namespace warpline::WL_LEVEL {

// A thread's own memory.
struct Work {
  float* maxima;        // [blocks] of the raw logits
  float* other_maxima;  // [blocks] of whatever else is looked at
  float* spare;         // [n]
  float* weights;       // [n]
  float* masked;        // [n]
  Candidate* candidates;  // [n]
};

// In place or not; `maxima` become the blocks' weights by the same arithmetic.
inline void weigh(const float* x, int64_t n, float best, float temperature, float* weights) {
  each_vector(n, [=](int64_t i, auto lanes) {
    store(weights + i, exp((load(x + i, lanes) - splat(best)) / splat(temperature)), lanes);
  });
}

inline double sum_candidates(const Candidate* c, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += static_cast<double>(c[i].value);
  return total;
}

// Sums of blocks, in f32, joined in double.
inline double sum_weights(const float* weights, int64_t n, float* sums) {
  double total = 0;
  for (int64_t b = 0; b < block_count(n); b++) {
    vf block = splat(0);
    each_vector(block_end(b, n) - b * kBlock, [&](int64_t i, auto lanes) {
      block = block + load(weights + b * kBlock + i, lanes);
    });
    sums[b] = sum(block);
    total += static_cast<double>(sums[b]);
  }
  return total;
}

template <class Keeps>
WL_INLINE int64_t keep(Candidate* c, int64_t n, Keeps keeps) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    if (keeps(c[i])) c[kept++] = c[i];
  }
  return kept;
}

// All that reach the k-th best, ties with it too, by ascending id, as weights.
inline int64_t keep_top_k(const float* x, int64_t n, const float* maxima, int64_t k, float best, float temperature,
                          const Work& work) {
  const float floor = floor_of_best(maxima, block_count(n), k, work.spare);
  int64_t count = collect(x, n, maxima, floor, work.candidates);
  for (int64_t i = 0; i < count; i++) work.spare[i] = work.candidates[i].value;
  if (count > k) {
    const float border = kth_largest(work.spare, count, k);
    count = keep(work.candidates, count, [=](const Candidate& c) { return c.value >= border; });
    for (int64_t i = 0; i < count; i++) work.spare[i] = work.candidates[i].value;
  }
  weigh(work.spare, count, best, temperature, work.spare);
  for (int64_t i = 0; i < count; i++) work.candidates[i].value = work.spare[i];
  return count;
}

// The likeliest whose mass reaches p of `total`; of tokens tied at the border those with the lowest ids.
inline int64_t keep_top_p(double p, double total, int64_t count, const Work& work) {
  for (int64_t i = 0; i < count; i++) work.spare[i] = work.candidates[i].value;
  const Border border = mass_border(work.spare, count, p * total);
  int64_t ties = border.ties;
  return keep(work.candidates, count,
              [&](const Candidate& c) { return c.value > border.weight || (c.value == border.weight && ties-- > 0); });
}

// The first token whose weights, summed up to and including it, exceed u times the sum of all.
inline int32_t draw_candidate(const Candidate* c, int64_t count, double u) {
  const double target = u * sum_candidates(c, count);
  double sum = 0;
  int32_t token = -1;
  for (int64_t i = 0; i < count && sum <= target; i++) {
    if (c[i].value == 0) continue;
    token = c[i].id;
    sum += static_cast<double>(c[i].value);
  }
  return token;
}

// The same over a whole row, block by block. A block's f32 sum may differ from the sum of its weights in the last
// place: a draw that falls between them takes the block's last token.
inline int32_t draw_weight(const float* weights, int64_t n, const float* sums, double target) {
  double sum = 0;
  int32_t token = -1;
  for (int64_t b = 0; b < block_count(n); b++) {
    if (sums[b] == 0) continue;
    const double after = sum + static_cast<double>(sums[b]);
    if (after <= target && b + 1 < block_count(n)) {
      for (int64_t i = block_end(b, n); i-- > b * kBlock && token < i;) {
        if (weights[i] > 0) token = static_cast<int32_t>(i);
      }
      sum = after;
      continue;
    }
    for (int64_t i = b * kBlock; i < block_end(b, n) && sum <= target; i++) {
      if (weights[i] == 0) continue;
      token = static_cast<int32_t>(i);
      sum += static_cast<double>(weights[i]);
    }
    return token;
  }
  return token;
}

// x [n] has `best` as its largest value and the largest of its blocks in `maxima`.
inline int32_t draw(const float* x, int64_t n, float best, const float* maxima, const wl_sampling& row,
                    const Work& work) {
  // What f32 cannot hold would divide 0 by 0; weights of all but the best are 0 long before.
  const float temperature = row.temperature > 1e-37 ? static_cast<float>(row.temperature) : 1e-37f;
  const int64_t blocks = block_count(n);
  int64_t count;
  if (row.top_k > 0 && row.top_k < n) {
    count = keep_top_k(x, n, maxima, row.top_k, best, temperature, work);
    if (row.top_p < 1) count = keep_top_p(row.top_p, sum_candidates(work.candidates, count), count, work);
  } else {
    weigh(x, n, best, temperature, work.weights);
    const double total = sum_weights(work.weights, n, work.spare);
    if (row.top_p >= 1 && row.min_p <= 0) return draw_weight(work.weights, n, work.spare, row.uniform * total);
    weigh(maxima, blocks, best, temperature, work.other_maxima);
    // Tokens lighter than this weigh less than (1 - p) of the mass all together: none of them is in the set.
    const double negligible = (1 - row.top_p) * total / (2.0 * static_cast<double>(n));
    const float floor = static_cast<float>(row.top_p < 1 ? negligible : row.min_p);
    count = collect(work.weights, n, work.other_maxima, floor, work.candidates);
    if (row.top_p < 1) count = keep_top_p(row.top_p, total, count, work);
  }
  if (row.min_p > 0) count = keep(work.candidates, count, [&](const Candidate& c) { return c.value >= row.min_p; });
  return draw_candidate(work.candidates, count, row.uniform);
}

}  // namespace warpline::WL_LEVEL
#endif
