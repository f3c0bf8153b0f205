// Loops over registers: `unrolled<N>([&](auto i) WL_INLINE_LAMBDA { ... a[i.value] ... })` calls its body for i = 0 ..
// N - 1 with the index a constant from the start, so that compilers keep small arrays of vectors in registers. (Loops
// that they unroll themselves are unrolled too late for that: the arrays stay on the stack.)
#ifndef WARPLINE_SIMD_UNROLL_H
#define WARPLINE_SIMD_UNROLL_H

#include <utility>

#include "simd.h"

#define WL_INLINE_LAMBDA __attribute__((always_inline))

namespace warpline::WL_LEVEL {

template <int I>
struct Index {
  static constexpr int value = I;
};

template <class Body, int... I>
WL_INLINE void for_each_index(Body&& body, std::integer_sequence<int, I...>) {
  (body(Index<I>{}), ...);
}

template <int N, class Body>
WL_INLINE void unrolled(Body&& body) {
  for_each_index(body, std::make_integer_sequence<int, N>{});
}

}  // namespace warpline::WL_LEVEL
#endif
