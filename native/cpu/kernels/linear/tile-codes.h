// The register tile of INT8 and INT4 products, for levels with VNNI:
//   sums[R][kColumns] += over groups g: (scale_w[g] * scale_x[g]) * (integer sum of x codes * w codes in g)
//
// vpdpbusd adds four products of unsigned and signed bytes to each 32-bit lane, exactly, so only the order of groups
// matters to the result: ascending. 2 R integer accumulators stay in registers for a group and start from what takes
// the offset of the weights' codes back (operand.h); so do 2 R f32 sums, for which tiles have half the rows of f32
// ones: kept in cache they cost a load and a store at every group. INT4 is unpacked in registers: a mask and a shift
// for 64 bytes of the panel, beside 4 R dot products.
#ifndef WARPLINE_TILE_CODES_H
#define WARPLINE_TILE_CODES_H

#include "tile.h"

#if defined(__AVX512VNNI__)

namespace warpline::WL_LEVEL {

WL_INLINE __m512i broadcast(const uint32_t* x) { return _mm512_set1_epi32(static_cast<int>(*x)); }
WL_INLINE __m512i codes_at(const uint8_t* panel) { return _mm512_loadu_si512(panel); }

// Adds the dot products of one word of each row with two vectors of codes.
template <int R>
WL_INLINE void add_words(const uint32_t* x, __m512i left, __m512i right, vi (&a)[R], vi (&b)[R]) {
  unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
    const __m512i word = broadcast(x + r.value * segment_words(kCodes));
    a[r.value] = (vi)_mm512_dpbusd_epi32((__m512i)a[r.value], left, word);
    b[r.value] = (vi)_mm512_dpbusd_epi32((__m512i)b[r.value], right, word);
  });
}

// INT4: `a` and `b` take the low nibbles' products, `c` and `d` the high ones'; they may be the same.
template <int R>
WL_INLINE void add_nibbles(const uint32_t* x, __m512i left, __m512i right, vi (&a)[R], vi (&b)[R], vi (&c)[R],
                           vi (&d)[R]) {
  const __m512i nibble = _mm512_set1_epi8(15);
  add_words<R>(x, _mm512_and_si512(left, nibble), _mm512_and_si512(right, nibble), a, b);
  add_words<R>(x + 1, _mm512_and_si512(_mm512_srli_epi16(left, 4), nibble),
               _mm512_and_si512(_mm512_srli_epi16(right, 4), nibble), c, d);
}

// Rows of a tile whose integer and f32 sums both fit the registers, with what multiplies them.
constexpr int kCodeTileRows = 7;
// One row more than that in a single tile still beats two tiles that read each step twice.
constexpr int kMostCodeTileRows = 8;

// The f32 sums of a tile: in registers, or where they are.
template <int R, bool InRegisters = (R <= kCodeTileRows)>
struct TileSums {
  vf a[R], b[R];
  WL_INLINE_MEMBER void begin(const float* sums) {
    unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
      a[r.value] = load(sums + r.value * kColumns);
      b[r.value] = load(sums + r.value * kColumns + kWidth);
    });
  }
  template <class Row>
  WL_INLINE_MEMBER void add(Row r, float*, vf left, vf right, vf factor_a, vf factor_b) {
    a[r.value] = fma(left, factor_a, a[r.value]);
    b[r.value] = fma(right, factor_b, b[r.value]);
  }
  WL_INLINE_MEMBER void end(float* sums) const {
    unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
      store(sums + r.value * kColumns, a[r.value]);
      store(sums + r.value * kColumns + kWidth, b[r.value]);
    });
  }
};
template <int R>
struct TileSums<R, false> {
  WL_INLINE_MEMBER void begin(const float*) {}
  template <class Row>
  WL_INLINE_MEMBER void add(Row r, float* sums, vf left, vf right, vf factor_a, vf factor_b) {
    __asm__("" : "+r"(sums));  // or compilers keep what they stored in registers that there are not
    float* sum = sums + r.value * kColumns;
    store(sum, fma(left, factor_a, load(sum)));
    store(sum + kWidth, fma(right, factor_b, load(sum + kWidth)));
  }
  WL_INLINE_MEMBER void end(float*) const {}
};

// `panel` is at the chunk's first group (or step, where scales are a channel's), `inputs` a chunk's, in whole words.
template <int Storage, int R>
void code_tile(const uint32_t* x, const uint8_t* panel, int64_t inputs, Ahead ahead, float* sums) {
  constexpr Format f = kFormats[Storage];
  constexpr int kRow = segment_words(kCodes);
  constexpr int kWords = f.inputs_per_step / 4;
  constexpr bool kNibbles = kWords == 2;
  // One or two rows would wait for each other's sums; integers may be added in any order.
  constexpr bool kSplit = kNibbles && R <= 2;
  constexpr int64_t kGroup = f.group ? f.group : 128;
  TileSums<R> tile_sums;
  tile_sums.begin(sums);
  for (int64_t k = 0, g = 0; k < inputs; k += kGroup, g++) {
    const uint16_t* scales = reinterpret_cast<const uint16_t*>(panel);
    if (f.group) {
      ahead.fetch_scales();
      panel += kColumns * kGroupScaleBytes;
    }
    const uint32_t* scale = x + kChunk + g;
    const uint32_t* start = scale + kMostGroups;
    vi a[R], b[R], c[R], d[R];  // vectors of i32 throughout: GCC copies accumulators that change their type
    unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
      a[r.value] = b[r.value] = (vi)broadcast(start + r.value * kRow);
      c[r.value] = d[r.value] = splat_int(0);
    });

    const int64_t left = inputs - k < kGroup ? inputs - k : kGroup;
    const int64_t steps = f.group ? kGroup / f.inputs_per_step : divide_up(left, f.inputs_per_step);
    const uint32_t* word = x + k / 4;
    for (int64_t s = 0; s < steps; s++) {
      ahead.fetch();
      const __m512i codes_a = codes_at(panel), codes_b = codes_at(panel + 64);
      if constexpr (!kNibbles)
        add_words<R>(word, codes_a, codes_b, a, b);
      else if constexpr (kSplit)
        add_nibbles<R>(word, codes_a, codes_b, a, b, c, d);
      else
        add_nibbles<R>(word, codes_a, codes_b, a, b, a, b);
      word += kWords;
      panel += 4 * kColumns;
    }

    const vf scale_a = f.group ? load_bf16(scales) : splat(1);
    const vf scale_b = f.group ? load_bf16(scales + kWidth) : splat(1);
    unrolled<R>([&](auto r) WL_INLINE_LAMBDA {
      const vf factor = splat(*reinterpret_cast<const float*>(scale + r.value * kRow));
      if (kSplit) a[r.value] += c[r.value], b[r.value] += d[r.value];
      tile_sums.add(r, sums, to_float(a[r.value]), to_float(b[r.value]), f.group ? scale_a * factor : factor,
                    f.group ? scale_b * factor : factor);
    });
  }
  tile_sums.end(sums);
}

template <int Storage, class Rows = std::make_integer_sequence<int, kMostCodeTileRows>>
struct CodeTiles;
// By number of rows less one.
template <int Storage, int... R>
struct CodeTiles<Storage, std::integer_sequence<int, R...>> {
  static constexpr Tile kByRows[] = {code_tile<Storage, R + 1>...};
};

}  // namespace warpline::WL_LEVEL

#endif
#endif
