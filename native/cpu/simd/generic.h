// 128-bit vectors in the compilers' own vector types: NEON on arm64 and SSE2 on x86-64 without an intrinsic, but for
// NEON's fused multiply-add. Slow where the machine has no vectors, right everywhere.
#include <math.h>

#if defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace warpline::WL_LEVEL {

constexpr int kWidth = 4;
using vf = float __attribute__((vector_size(16)));
using vi = int32_t __attribute__((vector_size(16)));

WL_INLINE vf splat(float x) { return vf{x, x, x, x}; }
WL_INLINE vi splat_int(int32_t i) { return vi{i, i, i, i}; }
WL_INLINE vf load(const float* p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}
WL_INLINE vf load_first(const float* p, int64_t n) {
  vf v = {};
  for (int64_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
WL_INLINE void store(float* p, vf v) { memcpy(p, &v, sizeof v); }
WL_INLINE void store_first(float* p, vf v, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = v[i];
}

WL_INLINE vi as_int(vf v) { return (vi)v; }
WL_INLINE vf as_float(vi i) { return (vf)i; }
WL_INLINE vf where_less(vf a, vf b, vf yes, vf no) {
  const vi less = a < b;
  return (vf)((less & (vi)yes) | (~less & (vi)no));
}
WL_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__ARM_FEATURE_FMA)
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}
WL_INLINE vf min(vf a, vf b) { return where_less(a, b, a, b); }
WL_INLINE vf max(vf a, vf b) { return where_less(b, a, a, b); }
WL_INLINE vf abs(vf v) { return (vf)((vi)v & splat_int(0x7fffffff)); }
WL_INLINE vf sqrt(vf v) {
  for (int i = 0; i < kWidth; i++) v[i] = sqrtf(v[i]);
  return v;
}
WL_INLINE vi round_int(vf v) {
  vi r;
  for (int i = 0; i < kWidth; i++) r[i] = (int32_t)nearbyintf(v[i]);
  return r;
}
WL_INLINE vf to_float(vi i) { return __builtin_convertvector(i, vf); }
WL_INLINE float sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
WL_INLINE float largest(vf v) {
  const float even = v[0] > v[2] ? v[0] : v[2];
  const float odd = v[1] > v[3] ? v[1] : v[3];
  return even > odd ? even : odd;
}
WL_INLINE vi max_int(vi a, vi b) { return ((a > b) & a) | (~(a > b) & b); }
WL_INLINE int32_t sum_int(vi i) { return (i[0] + i[2]) + (i[1] + i[3]); }
WL_INLINE int32_t largest_int(vi i) {
  const int32_t even = i[0] > i[2] ? i[0] : i[2];
  const int32_t odd = i[1] > i[3] ? i[1] : i[3];
  return even > odd ? even : odd;
}

WL_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
WL_INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
// Adds half of the last place kept, and one less when that place is even; NaN keeps a bit of its payload.
WL_INLINE uint16_t narrow_bf16(float x) {
  const uint32_t bits = bits_of(x);
  if (x != x) return (uint16_t)((bits | 0x400000) >> 16);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
// Multiplying by 2^112 moves the exponent from f16's bias to f32's, subnormals included; Infinity and NaN keep theirs.
WL_INLINE float widen_f16(uint16_t half) {
  const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  if (magnitude >= 0x7c00u << 13) return float_of(sign | 0x7f800000 | magnitude);
  return float_of(sign | bits_of(float_of(magnitude) * float_of(0x77800000)));
}
// Adding a power of two 2^13 above the last place kept makes the addition itself round.
WL_INLINE uint16_t narrow_f16(float x) {
  const uint32_t sign = bits_of(x) >> 16 & 0x8000;
  const uint32_t magnitude = bits_of(x) & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13));
}
WL_INLINE vf load_bf16_first(const uint16_t* p, int64_t n) {
  vf v = {};
  for (int64_t i = 0; i < n; i++) v[i] = float_of((uint32_t)p[i] << 16);
  return v;
}
WL_INLINE vf load_bf16(const uint16_t* p) { return load_bf16_first(p, kWidth); }
WL_INLINE void store_bf16_first(uint16_t* p, vf v, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = narrow_bf16(v[i]);
}
WL_INLINE void store_bf16(uint16_t* p, vf v) { store_bf16_first(p, v, kWidth); }
WL_INLINE vf load_f16_first(const uint16_t* p, int64_t n) {
  vf v = {};
  for (int64_t i = 0; i < n; i++) v[i] = widen_f16(p[i]);
  return v;
}
WL_INLINE vf load_f16(const uint16_t* p) { return load_f16_first(p, kWidth); }
WL_INLINE void store_f16_first(uint16_t* p, vf v, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = narrow_f16(v[i]);
}
WL_INLINE void store_f16(uint16_t* p, vf v) { store_f16_first(p, v, kWidth); }

}  // namespace warpline::WL_LEVEL
