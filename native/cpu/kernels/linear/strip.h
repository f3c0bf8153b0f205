// Reads weights of some outputs and inputs, as a checkpoint stores them, into one vector an input.
#ifndef WARPLINE_STRIP_H
#define WARPLINE_STRIP_H

#include "panel.h"

namespace warpline::WL_LEVEL {

constexpr int64_t kMostInputs = 128;  // of a tile; no group is longer

// Up to kWidth of the rows that are packed.
struct StripRows {
  const wl_rows* rows;
  int64_t first;
  int lanes;
};

// Element types: vectors of them widened, of all lanes or of the first.
struct FromF32 {
  using Element = float;
  WL_INLINE_MEMBER static vf all(const float* p) { return load(p); }
  WL_INLINE_MEMBER static vf some(const float* p, int64_t n) { return load_first(p, n); }
};
struct FromBf16 {
  using Element = uint16_t;
  WL_INLINE_MEMBER static vf all(const uint16_t* p) { return load_bf16(p); }
  WL_INLINE_MEMBER static vf some(const uint16_t* p, int64_t n) { return load_bf16_first(p, n); }
};
struct FromF16 {
  using Element = uint16_t;
  WL_INLINE_MEMBER static vf all(const uint16_t* p) { return load_f16(p); }
  WL_INLINE_MEMBER static vf some(const uint16_t* p, int64_t n) { return load_f16_first(p, n); }
};

template <class From>
WL_INLINE vf load_lanes(const typename From::Element* p, int64_t n) {
  return n >= kWidth ? From::all(p) : From::some(p, n);
}

// The checkpoint holds neighbouring outputs side by side.
template <class From>
void read_transposed(const typename From::Element* data, int64_t input_stride, int lanes, int64_t count, float* tile) {
  for (int64_t i = 0; i < count; i++) store(tile + i * kWidth, load_lanes<From>(data + i * input_stride, lanes));
}

// It holds neighbouring inputs side by side: square blocks of them are turned.
template <class From>
void read_rows(const typename From::Element* data, int64_t row_stride, int lanes, int64_t count, float* tile) {
  for (int64_t i = 0; i < count; i += kWidth) {
    float block[kWidth][kWidth];
    for (int lane = 0; lane < kWidth; lane++) {
      store(block[lane], lane < lanes ? load_lanes<From>(data + lane * row_stride + i, count - i) : splat(0));
    }
    for (int k = 0; k < kWidth; k++) {
      for (int lane = 0; lane < kWidth; lane++) tile[(i + k) * kWidth + lane] = block[lane][k];
    }
  }
}

template <class From>
void read_scattered(const typename From::Element* data, const wl_rows& rows, int lanes, int64_t count, float* tile) {
  for (int64_t i = 0; i < count; i++) {
    typename From::Element elements[kWidth] = {};
    for (int lane = 0; lane < lanes; lane++) elements[lane] = data[lane * rows.row_stride + i * rows.input_stride];
    store(tile + i * kWidth, From::all(elements));
  }
}

template <class From>
void read_tile_of(const StripRows& strip, int64_t k, int64_t count, float* tile) {
  const wl_rows& rows = *strip.rows;
  const auto* data = static_cast<const typename From::Element*>(rows.data);
  data += strip.first * rows.row_stride + k * rows.input_stride;
  if (rows.row_stride == 1) read_transposed<From>(data, rows.input_stride, strip.lanes, count, tile);
  else if (rows.input_stride == 1) read_rows<From>(data, rows.row_stride, strip.lanes, count, tile);
  else read_scattered<From>(data, rows, strip.lanes, count, tile);
}

// Inputs k .. k + count of the strip, then zeros up to `padded`: tile [kMostInputs][kWidth]. Lanes beyond the strip's
// are zero.
inline __attribute__((always_inline)) void read_tile(const StripRows& strip, int64_t k, int64_t count, int64_t padded, float* tile) {
  switch (strip.rows->type) {
    case WL_ROWS_F32: read_tile_of<FromF32>(strip, k, count, tile); break;
    case WL_ROWS_BF16: read_tile_of<FromBf16>(strip, k, count, tile); break;
    default: read_tile_of<FromF16>(strip, k, count, tile);
  }
  for (int64_t i = count; i < padded; i++) store(tile + i * kWidth, splat(0));
}

}  // namespace warpline::WL_LEVEL
#endif
