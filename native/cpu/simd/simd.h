// Vectors of f32 and i32 in one vocabulary for every level; kernels are written once against it. `vf` and `vi` are GCC
// and Clang vector types, so that + - * / (and & | ^ << >> on vi) work lane by lane; the level headers add what
// operators cannot say. No function here treats the lanes of a short vector differently from those of a full one:
// `*_first` loads and stores touch n lanes only, and the arithmetic in between is the same, so results do not depend on
// alignment to n.
//
//   kWidth                          lanes
//   splat(x), splat_int(i)          the same in all lanes
//   load, store; load_first(p, n), store_first(p, v, n): n lanes, 0 <= n <= kWidth, the others read as 0
//   load_bf16, load_f16(p)          kWidth 16-bit floats, widened exactly; with _first too
//   store_bf16, store_f16(p, v)     rounded to nearest even; with _first too
//   fma(a, b, c)                    a * b + c, fused where the level fuses (all but portable)
//   min, max(a, b)                  b where either is NaN
//   abs, sqrt(v)
//   round_int(v), to_float(i)       to nearest even, and back
//   as_int(v), as_float(i)          the same bits
//   where_less(a, b, yes, no)       a < b ? yes : no
//   max_int(a, b)
//   sum(v), largest(v), sum_int(i), largest_int(i): over the lanes, always in the same tree
#ifndef WARPLINE_SIMD_H
#define WARPLINE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(WL_LEVEL)
#error "compile with -DWL_LEVEL=<level>: see tools/build-cpu.mjs"
#endif

#define WL_INLINE static inline __attribute__((always_inline))
#define WL_INLINE_MEMBER inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include "avx512.h"
#elif defined(__AVX2__)
#include "avx2.h"
#else
#include "generic.h"
#endif

#endif
