// Walking over a row in vectors: whole ones, and a shorter last one by the same code.
//   each_vector(width, [&](int64_t i, auto lanes) { store(out + i, load(x + i, lanes) + splat(1), lanes); });
#ifndef WARPLINE_VECTORS_H
#define WARPLINE_VECTORS_H

#include "../simd/simd.h"

namespace warpline::WL_LEVEL {

struct AllLanes {};
struct FirstLanes {
  int64_t count;
};

WL_INLINE vf load(const float* p, AllLanes) { return load(p); }
WL_INLINE vf load(const float* p, FirstLanes lanes) { return load_first(p, lanes.count); }
WL_INLINE void store(float* p, vf v, AllLanes) { store(p, v); }
WL_INLINE void store(float* p, vf v, FirstLanes lanes) { store_first(p, v, lanes.count); }

template <class Body>
WL_INLINE void each_vector(int64_t width, Body body) {
  int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) body(i, AllLanes{});
  if (i < width) body(i, FirstLanes{width - i});
}

}  // namespace warpline::WL_LEVEL
#endif
