// 256-bit vectors: AVX2, FMA, F16C.
#include <immintrin.h>

namespace warpline::WL_LEVEL {

constexpr int kWidth = 8;
using vf = __m256;
using vi = int32_t __attribute__((vector_size(32)));

WL_INLINE __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
WL_INLINE __m128i load_16_first(const uint16_t* p, int64_t n) {
  uint16_t lanes[kWidth] = {};
  for (int64_t i = 0; i < n; i++) lanes[i] = p[i];
  return _mm_loadu_si128((const __m128i*)lanes);
}
WL_INLINE void store_16_first(uint16_t* p, __m128i v, int64_t n) {
  uint16_t lanes[kWidth];
  _mm_storeu_si128((__m128i*)lanes, v);
  for (int64_t i = 0; i < n; i++) p[i] = lanes[i];
}

WL_INLINE vf splat(float x) { return _mm256_set1_ps(x); }
WL_INLINE vi splat_int(int32_t i) { return (vi)_mm256_set1_epi32(i); }
WL_INLINE vf load(const float* p) { return _mm256_loadu_ps(p); }
WL_INLINE vf load_first(const float* p, int64_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
WL_INLINE void store(float* p, vf v) { _mm256_storeu_ps(p, v); }
WL_INLINE void store_first(float* p, vf v, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

WL_INLINE vf widen_bf16(__m128i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16)); }
// Adds half of the last place kept, and one less when that place is even; NaN keeps a bit of its payload.
WL_INLINE __m128i narrow_bf16(vf v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}
WL_INLINE vf load_bf16(const uint16_t* p) { return widen_bf16(_mm_loadu_si128((const __m128i*)p)); }
WL_INLINE vf load_bf16_first(const uint16_t* p, int64_t n) { return widen_bf16(load_16_first(p, n)); }
WL_INLINE void store_bf16(uint16_t* p, vf v) { _mm_storeu_si128((__m128i*)p, narrow_bf16(v)); }
WL_INLINE void store_bf16_first(uint16_t* p, vf v, int64_t n) { store_16_first(p, narrow_bf16(v), n); }
WL_INLINE vf load_f16(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
WL_INLINE vf load_f16_first(const uint16_t* p, int64_t n) { return _mm256_cvtph_ps(load_16_first(p, n)); }
WL_INLINE void store_f16(uint16_t* p, vf v) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
WL_INLINE void store_f16_first(uint16_t* p, vf v, int64_t n) {
  store_16_first(p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT), n);
}

WL_INLINE vf fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
WL_INLINE vf min(vf a, vf b) { return _mm256_min_ps(a, b); }
WL_INLINE vf max(vf a, vf b) { return _mm256_max_ps(a, b); }
WL_INLINE vf abs(vf v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }
WL_INLINE vf sqrt(vf v) { return _mm256_sqrt_ps(v); }
WL_INLINE vi round_int(vf v) { return (vi)_mm256_cvtps_epi32(v); }
WL_INLINE vf to_float(vi i) { return _mm256_cvtepi32_ps((__m256i)i); }
WL_INLINE vi as_int(vf v) { return (vi)_mm256_castps_si256(v); }
WL_INLINE vf as_float(vi i) { return _mm256_castsi256_ps((__m256i)i); }
WL_INLINE vf where_less(vf a, vf b, vf yes, vf no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
WL_INLINE float sum(vf v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
WL_INLINE float largest(vf v) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
WL_INLINE vi max_int(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
WL_INLINE int32_t sum_int(vi i) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128((__m256i)i), _mm256_extracti128_si256((__m256i)i, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_epi64(two, 32)));
}
WL_INLINE int32_t largest_int(vi i) {
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128((__m256i)i), _mm256_extracti128_si256((__m256i)i, 1));
  const __m128i two = _mm_max_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_srli_epi64(two, 32)));
}

}  // namespace warpline::WL_LEVEL
