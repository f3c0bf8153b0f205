// 512-bit vectors: AVX-512 F, BW, VL, DQ.
#include <immintrin.h>

namespace warpline::WL_LEVEL {

constexpr int kWidth = 16;
using vf = __m512;
using vi = int32_t __attribute__((vector_size(64)));

WL_INLINE __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

WL_INLINE vf splat(float x) { return _mm512_set1_ps(x); }
WL_INLINE vi splat_int(int32_t i) { return (vi)_mm512_set1_epi32(i); }
WL_INLINE vf load(const float* p) { return _mm512_loadu_ps(p); }
WL_INLINE vf load_first(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
WL_INLINE void store(float* p, vf v) { _mm512_storeu_ps(p, v); }
WL_INLINE void store_first(float* p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

WL_INLINE vf widen_bf16(__m256i v) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
// Adds half of the last place kept, and one less when that place is even; NaN keeps a bit of its payload.
WL_INLINE __m256i narrow_bf16(vf v) {
  const __m512i bits = _mm512_castps_si512(v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
}
WL_INLINE vf load_bf16(const uint16_t* p) { return widen_bf16(_mm256_loadu_si256((const __m256i*)p)); }
WL_INLINE vf load_bf16_first(const uint16_t* p, int64_t n) {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
WL_INLINE void store_bf16(uint16_t* p, vf v) { _mm256_storeu_si256((__m256i*)p, narrow_bf16(v)); }
WL_INLINE void store_bf16_first(uint16_t* p, vf v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), narrow_bf16(v));
}
WL_INLINE vf load_f16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
WL_INLINE vf load_f16_first(const uint16_t* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}
WL_INLINE void store_f16(uint16_t* p, vf v) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
WL_INLINE void store_f16_first(uint16_t* p, vf v, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

WL_INLINE vf fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
WL_INLINE vf min(vf a, vf b) { return _mm512_min_ps(a, b); }
WL_INLINE vf max(vf a, vf b) { return _mm512_max_ps(a, b); }
WL_INLINE vf abs(vf v) { return _mm512_abs_ps(v); }
WL_INLINE vf sqrt(vf v) { return _mm512_sqrt_ps(v); }
WL_INLINE vi round_int(vf v) { return (vi)_mm512_cvtps_epi32(v); }
WL_INLINE vf to_float(vi i) { return _mm512_cvtepi32_ps((__m512i)i); }
WL_INLINE vi as_int(vf v) { return (vi)_mm512_castps_si512(v); }
WL_INLINE vf as_float(vi i) { return _mm512_castsi512_ps((__m512i)i); }
WL_INLINE vf where_less(vf a, vf b, vf yes, vf no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
}
WL_INLINE float sum(vf v) { return _mm512_reduce_add_ps(v); }
WL_INLINE float largest(vf v) { return _mm512_reduce_max_ps(v); }
WL_INLINE vi max_int(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
WL_INLINE int32_t sum_int(vi i) { return _mm512_reduce_add_epi32((__m512i)i); }
WL_INLINE int32_t largest_int(vi i) { return _mm512_reduce_max_epi32((__m512i)i); }

}  // namespace warpline::WL_LEVEL
