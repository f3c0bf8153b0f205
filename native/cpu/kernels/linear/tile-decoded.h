// The register tile of INT8 and INT4 products for levels without integer dot products, for few rows: weights are
// decoded into registers, each once, and multiplied in f32. Bit for bit what expanded chunks give (expand.h): a weight
// is (code - offset) * scale rounded once, and offset * scale is exact, the offset being a power of two. The scale of a
// whole channel is left to the end.
#ifndef WARPLINE_TILE_DECODED_H
#define WARPLINE_TILE_DECODED_H

#include "tile-float.h"

namespace warpline::WL_LEVEL {

// More rows would need more registers than levels without such instructions have.
constexpr int kDecodedTileRows = 4;

// One vector of columns under one scale.
struct Decoder {
  vf scale, minus_offset;
  int32_t mask;

  template <int Storage>
  WL_INLINE_MEMBER static Decoder of(vf scale) {
    constexpr Format f = kFormats[Storage];
    return {scale, splat(-static_cast<float>(f.offset)) * scale, f.inputs_per_step == 8 ? 15 : 255};
  }
  // The weights of input i of a step.
  WL_INLINE_MEMBER vf weights(vi words, int i) const {
    return decode(to_float((words >> (8 * (i % 4) + 4 * (i / 4))) & splat_int(mask)));
  }

 private:
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  WL_INLINE_MEMBER vf decode(vf code) const { return fma(code, scale, minus_offset); }
#else
  WL_INLINE_MEMBER vf decode(vf code) const { return (code + splat(mask == 15 ? -8.0f : -128.0f)) * scale; }
#endif
};

template <int Storage, int R>
void decoded_tile(const uint32_t* x, const uint8_t* panel, int64_t inputs, Ahead ahead, float* sums) {
  constexpr Format f = kFormats[Storage];
  constexpr int kRow = segment_words(kFloats);
  constexpr int64_t kGroup = f.group ? f.group : kChunk;
  vf a[R], b[R];
  unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
    a[r.value] = load(sums + r.value * kColumns);
    b[r.value] = load(sums + r.value * kColumns + kWidth);
  });
  for (int64_t k = 0; k < inputs; k += kGroup) {
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel);
    const uint8_t* step = panel;
    if (f.group) {
      ahead.fetch_scales();
      step += kColumns * kGroupScaleBytes;
      panel += group_bytes(f);
    }
    const Decoder left = Decoder::of<Storage>(f.group ? load_bf16(scales) : splat(1));
    const Decoder right = Decoder::of<Storage>(f.group ? load_bf16(scales + kWidth) : splat(1));
    const int64_t count = inputs - k < kGroup ? inputs - k : kGroup;
    for (int64_t i = 0; i < count; i += f.inputs_per_step) {
      ahead.fetch();
      vi words_a, words_b;
      memcpy(&words_a, step, sizeof words_a);
      memcpy(&words_b, step + sizeof words_a, sizeof words_b);
      unrolled<f.inputs_per_step>([&](auto j) WL_INLINE_LAMBDA {
        const vf weights_a = left.weights(words_a, j.value), weights_b = right.weights(words_b, j.value);
        const uint32_t* word = x + k + i + j.value;
        unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
          a[r.value] = FloatProduct::add(a[r.value], word + r.value * kRow, weights_a);
          b[r.value] = FloatProduct::add(b[r.value], word + r.value * kRow, weights_b);
        });
      });
      step += 4 * kColumns;
    }
  }
  unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
    store(sums + r.value * kColumns, a[r.value]);
    store(sums + r.value * kColumns + kWidth, b[r.value]);
  });
}

template <int Storage, class Rows = std::make_integer_sequence<int, kDecodedTileRows>>
struct DecodedTiles;
// By number of rows less one.
template <int Storage, int... R>
struct DecodedTiles<Storage, std::integer_sequence<int, R...>> {
  static constexpr Tile kByRows[] = {decoded_tile<Storage, R + 1>...};
};

}  // namespace warpline::WL_LEVEL
#endif
