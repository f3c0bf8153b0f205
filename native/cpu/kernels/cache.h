// The layout of the paged K/V cache (Kwon et al. 2023), in elements of its storage type:
//
//   keys    [blocks, kv_heads, padded, block_size]   a key is a column: scores of neighbouring keys fill a vector
//   values  [blocks, kv_heads, block_size, padded]   a value is a row: outputs fill a vector
//
// `padded` is head_dim rounded up to 16, block_size a power of two from 16, so that all vectors of all levels are
// whole. What pads is zero from the start and stays so.
#ifndef WARPLINE_CACHE_H
#define WARPLINE_CACHE_H

#include "../commands.h"
#include "../simd/simd.h"

namespace warpline::WL_LEVEL {

constexpr int kPad = 16;

struct CacheShape {
  int32_t kv_heads;
  int32_t head_dim;
  int32_t block_size;

  WL_INLINE_MEMBER int64_t padded() const { return (head_dim + kPad - 1) / kPad * kPad; }
  // Where one head of one block begins, of keys and of values.
  WL_INLINE_MEMBER int64_t head(int64_t block, int64_t kv_head) const {
    return (block * kv_heads + kv_head) * padded() * block_size;
  }
};

// Storage types: an element, and vectors of them widened and narrowed.
struct CacheF32 {
  using Element = float;
  WL_INLINE_MEMBER static vf load(const float* p) { return WL_LEVEL::load(p); }
  WL_INLINE_MEMBER static void store(float* p, vf v) { WL_LEVEL::store(p, v); }
};
struct CacheBf16 {
  using Element = uint16_t;
  WL_INLINE_MEMBER static vf load(const uint16_t* p) { return load_bf16(p); }
  WL_INLINE_MEMBER static void store(uint16_t* p, vf v) { store_bf16(p, v); }
};
struct CacheF16 {
  using Element = uint16_t;
  WL_INLINE_MEMBER static vf load(const uint16_t* p) { return load_f16(p); }
  WL_INLINE_MEMBER static void store(uint16_t* p, vf v) { store_f16(p, v); }
};

}  // namespace warpline::WL_LEVEL
#endif
