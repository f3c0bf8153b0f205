// Converts activations to what the tiles multiply (operand.h). Reads x once; bound by that, and small beside any
// product.
#include "operand.h"

#include "../../simd/unroll.h"

namespace warpline::WL_LEVEL {
namespace {

WL_INLINE int64_t at_most(int64_t n, int64_t most) { return n < 0 ? 0 : n < most ? n : most; }

// Zeros up to whole steps of any format.
void convert_floats(const float* x, int64_t count, uint32_t* words) {
  float* out = reinterpret_cast<float*>(words);
  for (int64_t k = 0; k < divide_up(count, 8) * 8; k += kWidth)
    store(out + k, load_first(x + k, at_most(count - k, kWidth)));
}

void convert_brains(const float* x, int64_t count, uint32_t* words) {
  uint16_t* out = reinterpret_cast<uint16_t*>(words);
  for (int64_t k = 0; k < count; k += kWidth) store_bf16(out + k, load_first(x + k, at_most(count - k, kWidth)));
}

// The largest magnitude of a group. Magnitudes compare as integers do, and a NaN is the largest of all: it reaches the
// scale, and so every output.
template <int Vectors>
WL_INLINE float largest_magnitude(const vf (&x)[Vectors]) {
  vi most = as_int(abs(x[0]));
  unrolled<Vectors - 1>([&](auto v) WL_INLINE_LAMBDA { most = max_int(as_int(abs(x[v.value + 1])), most); });
  const int32_t bits = largest_int(most);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

WL_INLINE void store_bytes(int8_t* out, vi codes) {
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)out, _mm512_cvtepi32_epi8((__m512i)codes));
#else
  for (int i = 0; i < kWidth; i++) out[i] = static_cast<int8_t>(codes[i]);
#endif
}

// One group: its scale, its codes, and minus `offset` times their sum.
template <int Group>
WL_INLINE void convert_group(const float* x, int offset, int8_t* codes, float* scale, int32_t* start) {
  constexpr int kVectors = Group / kWidth;
  vf values[kVectors];
  unrolled<kVectors>([&](auto v) WL_INLINE_LAMBDA { values[v.value] = load(x + v.value * kWidth); });
  const float most = largest_magnitude(values);
  const vf inverse = splat(most > 0 ? 127 / most : 0);
  vi total = splat_int(0);
  unrolled<kVectors>([&](auto v) WL_INLINE_LAMBDA {
    const vi rounded = round_int(values[v.value] * inverse);
    store_bytes(codes + v.value * kWidth, rounded);
    total += rounded;
  });
  *scale = most / 127;
  // Unsigned, since a NaN's codes are anything at all.
  *start = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * static_cast<uint32_t>(sum_int(total)));
}

template <int Group>
void convert_codes(const Operand& o, const float* x, int64_t count, uint32_t* words) {
  int8_t* codes = reinterpret_cast<int8_t*>(words);
  float* scales = reinterpret_cast<float*>(words + kChunk);
  int32_t* starts = reinterpret_cast<int32_t*>(words + kChunk + kMostGroups);
  const int64_t whole = count / Group;
  for (int64_t g = 0; g < whole; g++)
    convert_group<Group>(x + g * Group, o.offset, codes + g * Group, scales + g, starts + g);
  if (whole * Group == count) return;
  float rest[Group] = {};
  memcpy(rest, x + whole * Group, static_cast<size_t>(count - whole * Group) * sizeof(float));
  convert_group<Group>(rest, o.offset, codes + whole * Group, scales + whole, starts + whole);
}

}  // namespace

void convert_rows(const Operand& o, const float* x, int64_t stride, int64_t first, int64_t last, void* memory) {
  const int64_t inputs_per_chunk = int64_t{kChunk} * inputs_per_word(o.kind);
  for (int64_t row = first; row < last; row++) {
    for (int64_t chunk = 0; chunk < o.chunks(); chunk++) {
      const float* from = x + row * stride + chunk * inputs_per_chunk;
      const int64_t count = at_most(o.inputs - chunk * inputs_per_chunk, inputs_per_chunk);
      uint32_t* words = o.segment(memory, chunk, row);
      if (o.kind == kFloats)
        convert_floats(from, count, words);
      else if (o.kind == kBrains)
        convert_brains(from, count, words);
      else if (o.group == 32)
        convert_codes<32>(o, from, count, words);
      else
        convert_codes<128>(o, from, count, words);
    }
  }
}

}  // namespace warpline::WL_LEVEL
