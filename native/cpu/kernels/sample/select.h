// Partial selection: the largest of many without sorting them.
#ifndef WARPLINE_SAMPLE_SELECT_H
#define WARPLINE_SAMPLE_SELECT_H

#include "scan.h"

namespace warpline::WL_LEVEL {

struct Candidate {
  float value;
  int32_t id;
};

// Best first, ties by lowest id.
WL_INLINE bool before(const Candidate& a, const Candidate& b) {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

WL_INLINE float median(float a, float b, float c) {
  const float low = a < b ? a : b, high = a < b ? b : a;
  return c < low ? low : c > high ? high : c;
}

// Splits v into values above, equal to and below a pivot, in this order; returns where the equal ones begin and end.
struct Split {
  int64_t equal;
  int64_t below;
};
inline Split partition(float* v, int64_t n, float pivot) {
  int64_t above = 0, below = n;
  for (int64_t i = 0; i < below;) {
    const float value = v[i];
    if (value > pivot) {
      v[i++] = v[above];
      v[above++] = value;
    } else if (value < pivot) {
      v[i] = v[--below];
      v[below] = value;
    } else {
      i++;
    }
  }
  return {above, below};
}

WL_INLINE float pivot_of(const float* v, int64_t n) { return median(v[0], v[n / 2], v[n - 1]); }

// The k-th largest, 1 <= k <= n, by Hoare's FIND; reorders v. Linear time on average.
inline float kth_largest(float* v, int64_t n, int64_t k) {
  for (;;) {
    const float pivot = pivot_of(v, n);
    const Split split = partition(v, n, pivot);
    if (k <= split.equal) {
      n = split.equal;
    } else if (k <= split.below) {
      return pivot;
    } else {
      v += split.below;
      n -= split.below;
      k -= split.below;
    }
  }
}

// The smallest set of largest weights whose sum reaches `mass`: the least weight in it, and how many of that weight.
struct Border {
  float weight;
  int64_t ties;
};
inline Border mass_border(float* v, int64_t n, double mass) {
  double above = 0;  // of weights known to be in the set
  for (;;) {
    const float pivot = pivot_of(v, n);
    const Split split = partition(v, n, pivot);
    double larger = 0;
    for (int64_t i = 0; i < split.equal; i++) larger += v[i];
    if (split.equal > 0 && above + larger >= mass) {
      n = split.equal;
      continue;
    }
    above += larger;
    const int64_t equal = split.below - split.equal;
    const double wanted = pivot > 0 ? __builtin_ceil((mass - above) / pivot) : static_cast<double>(equal);
    const int64_t ties = wanted < 1 ? 1 : wanted > equal ? equal : static_cast<int64_t>(wanted);
    if (above + static_cast<double>(equal) * pivot >= mass || split.below == n) return {pivot, ties};
    above += static_cast<double>(equal) * pivot;
    v += split.below;
    n -= split.below;
  }
}

// A value that at least k of the row's reach, from the largest of its blocks: k blocks have one each. -Infinity where
// there are fewer blocks than that. `spare`: [block_count(n)].
inline float floor_of_best(const float* maxima, int64_t blocks, int64_t k, float* spare) {
  if (k > blocks) return -__builtin_inff();
  memcpy(spare, maxima, static_cast<size_t>(blocks) * sizeof(float));
  return kth_largest(spare, blocks, k);
}

// Values of at least `floor` (and above -Infinity), by ascending id.
inline int64_t collect(const float* x, int64_t n, const float* maxima, float floor, Candidate* found) {
  int64_t count = 0;
  for (int64_t b = 0; b < block_count(n); b++) {
    if (maxima[b] < floor) continue;
    for (int64_t i = b * kBlock; i < block_end(b, n); i++) {
      if (x[i] >= floor && x[i] > -__builtin_inff()) found[count++] = {x[i], static_cast<int32_t>(i)};
    }
  }
  return count;
}

// Heapsort, best first.
inline void sort(Candidate* c, int64_t n) {
  const auto sink = [c](int64_t root, int64_t count) {
    const Candidate moved = c[root];
    for (int64_t child; (child = 2 * root + 1) < count; root = child) {
      if (child + 1 < count && before(c[child], c[child + 1])) child++;
      if (!before(moved, c[child])) break;
      c[root] = c[child];
    }
    c[root] = moved;
  };
  for (int64_t i = n / 2; i-- > 0;) sink(i, n);
  for (int64_t last = n; last-- > 1;) {
    const Candidate worst = c[0];
    c[0] = c[last];
    c[last] = worst;
    sink(0, last);
  }
}

}  // namespace warpline::WL_LEVEL
#endif
