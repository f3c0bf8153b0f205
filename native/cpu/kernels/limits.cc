// What one thread can do at most at this level: multiply-adds from registers, and reading memory in order. Measured by
// core/limits.cc; nothing a model runs is here.
#include "../core/kernels.h"
#include "../simd/unroll.h"
#include "linear/tile.h"

namespace warpline::WL_LEVEL {
namespace {

// Independent sums: enough to hide the latency of any multiply-add, few enough for sixteen registers.
constexpr int kChains = 12;

// Numbers that the compiler does not know.
const volatile float kHalf = 0.5f;
const volatile int32_t kBytes = 0x01010101;
[[maybe_unused]] const volatile int32_t kBrainHalves = 0x3f003f00;

// Runs `turns` of sum = step(sum) on every chain. Chains begin with different values, or they would be one to the
// compiler; what comes out is looked at, so that nothing is left out.
template <class Vector, class Start, class Step>
WL_INLINE void spin(int64_t turns, Start start, Step step) {
  Vector sums[kChains];
  unrolled<kChains>([&](auto i) WL_INLINE_LAMBDA { sums[i.value] = start(i.value); });
  for (int64_t turn = 0; turn < turns; turn++) {
    unrolled<kChains>([&](auto i) WL_INLINE_LAMBDA { sums[i.value] = step(sums[i.value]); });
  }
  volatile Vector seen;
  unrolled<kChains>([&](auto i) WL_INLINE_LAMBDA { seen = sums[i.value]; });
  (void)seen;
}

double spin_floats(int64_t turns) {
  const vf half = splat(kHalf);
  spin<vf>(
      turns, [&](int chain) WL_INLINE_LAMBDA { return half * splat(chain); },
      [&](vf sum) WL_INLINE_LAMBDA { return fma(sum, half, half); });
  return 2.0 * kWidth * kChains * static_cast<double>(turns);
}

#if defined(__AVX512BF16__)
double spin_brains(int64_t turns) {
  const __m512bh half = (__m512bh)_mm512_set1_epi32(kBrainHalves);
  spin<vf>(
      turns, [&](int chain) WL_INLINE_LAMBDA { return splat(kHalf * chain); },
      [&](vf sum) WL_INLINE_LAMBDA { return _mm512_dpbf16_ps(sum, half, half); });
  return 4.0 * kWidth * kChains * static_cast<double>(turns);
}
#endif

#if defined(__AVX512VNNI__)
double spin_codes(int64_t turns) {
  const __m512i ones = _mm512_set1_epi32(kBytes);
  spin<__m512i>(
      turns, [&](int chain) WL_INLINE_LAMBDA { return _mm512_set1_epi32(kBytes * chain); },
      [&](__m512i sum) WL_INLINE_LAMBDA { return _mm512_dpbusd_epi32(sum, ones, ones); });
  return 8.0 * kWidth * kChains * static_cast<double>(turns);
}
#endif

}  // namespace

double spin(int32_t storage, int64_t turns) {
  switch (kTilings[storage].operand) {
#if defined(__AVX512BF16__)
    case kBrains:
      return spin_brains(turns);
#endif
#if defined(__AVX512VNNI__)
    case kCodes:
      return spin_codes(turns);
#endif
    default:
      return spin_floats(turns);
  }
}

void read(const void* memory, int64_t bytes) {
  constexpr int kLine = 64, kAhead = 4096;
  constexpr int kLoads = kLine / sizeof(vf) * 4;
  const char* at = static_cast<const char*>(memory);
  vi sums[kLoads];
  unrolled<kLoads>([&](auto i) WL_INLINE_LAMBDA { sums[i.value] = splat_int(kBytes); });
  for (int64_t done = 0; done + 4 * kLine <= bytes; done += 4 * kLine, at += 4 * kLine) {
    unrolled<4>([&](auto i) WL_INLINE_LAMBDA { __builtin_prefetch(at + kAhead + kLine * i.value, 0, 3); });
    unrolled<kLoads>([&](auto i) WL_INLINE_LAMBDA {
      const char* from = at + sizeof(vf) * i.value;
      sums[i.value] = sums[i.value] ^ as_int(load(reinterpret_cast<const float*>(from)));
    });
  }
  volatile vi seen;
  unrolled<kLoads>([&](auto i) WL_INLINE_LAMBDA { seen = sums[i.value]; });
  (void)seen;
}

}  // namespace warpline::WL_LEVEL
