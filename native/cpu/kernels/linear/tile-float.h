// The register tile of f32 and bf16 products: sums[R][kColumns] += x[R][steps] * panel[steps][kColumns].
//
// 2 R accumulators stay in registers for a whole chunk. A step loads two vectors of the panel and broadcasts one word
// of each row: 2 R multiply-adds for R + 2 loads, so that R = kTileRows (28 accumulators and 3 operands of 32 registers
// with AVX-512) is bound by the multipliers. Each accumulator is one chain over ascending k.
#ifndef WARPLINE_TILE_FLOAT_H
#define WARPLINE_TILE_FLOAT_H

#include "tile.h"

namespace warpline::WL_LEVEL {

#if defined(__AVX512F__)
constexpr int kTileRows = 14;
#elif defined(__AVX2__)
constexpr int kTileRows = 6;
#elif defined(__aarch64__)
constexpr int kTileRows = 12;
#else
constexpr int kTileRows = 4;
#endif

struct FloatProduct {
  static constexpr OperandKind kKind = kFloats;
  WL_INLINE_MEMBER static vf add(vf sum, const uint32_t* x, vf w) {
    return fma(splat(*reinterpret_cast<const float*>(x)), w, sum);
  }
};

#if defined(__AVX512BF16__)
struct BrainProduct {
  static constexpr OperandKind kKind = kBrains;
  WL_INLINE_MEMBER static vf add(vf sum, const uint32_t* x, vf w) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(*x)), (__m512bh)w);
  }
};
#endif

// What a panel holds for kInputs words of x at each step: vector `half` of input `i`.
struct WordWeights {
  static constexpr int kInputs = 1;
  WL_INLINE_MEMBER static vf get(const uint8_t* step, int, int half) {
    return load(reinterpret_cast<const float*>(step) + half * kWidth);
  }
};
struct HalfWeights {
  static constexpr int kInputs = 1;
  WL_INLINE_MEMBER static vf get(const uint8_t* step, int, int half) {
    return load_f16(reinterpret_cast<const uint16_t*>(step) + half * kWidth);
  }
};
struct BrainWeights {
  static constexpr int kInputs = 2;
  WL_INLINE_MEMBER static vf get(const uint8_t* step, int i, int half) {
    const vi pairs = as_int(load(reinterpret_cast<const float*>(step) + half * kWidth));
    return as_float(i == 0 ? pairs << 16 : pairs & splat_int(-65536));
  }
};

template <class Product, class Weights, int Bytes, int R>
void float_tile(const uint32_t* x, const uint8_t* panel, int64_t inputs, Ahead ahead, float* sums) {
  constexpr int kRow = segment_words(Product::kKind);
  const int64_t steps = divide_up(inputs, Weights::kInputs * inputs_per_word(Product::kKind));
  vf a[R], b[R];
  unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
    a[r.value] = load(sums + r.value * kColumns);
    b[r.value] = load(sums + r.value * kColumns + kWidth);
  });
  for (int64_t s = 0; s < steps; s++) {
    ahead.fetch();
    unrolled<Weights::kInputs>([&](auto i) WL_INLINE_LAMBDA {
      const vf left = Weights::get(panel, i.value, 0);
      const vf right = Weights::get(panel, i.value, 1);
      const uint32_t* word = x + s * Weights::kInputs + i.value;
      unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
        a[r.value] = Product::add(a[r.value], word + r.value * kRow, left);
        b[r.value] = Product::add(b[r.value], word + r.value * kRow, right);
      });
    });
    panel += Bytes * kColumns;
  }
  unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
    store(sums + r.value * kColumns, a[r.value]);
    store(sums + r.value * kColumns + kWidth, b[r.value]);
  });
}

template <class Product, class Weights, int Bytes, class Rows = std::make_integer_sequence<int, kTileRows>>
struct FloatTiles;
// By number of rows less one; `Bytes` is what a step takes of a column.
template <class Product, class Weights, int Bytes, int... R>
struct FloatTiles<Product, Weights, Bytes, std::integer_sequence<int, R...>> {
  static constexpr Tile kByRows[] = {float_tile<Product, Weights, Bytes, R + 1>...};
};

}  // namespace warpline::WL_LEVEL
#endif
