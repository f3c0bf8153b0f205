// Detection after Intel's manual, volume 2, CPUID and XGETBV: an instruction set may be used when the processor has it
// and the operating system saves its registers (XCR0: bits 1-2 for 256-bit, and 5-7 for 512-bit vectors).
#include "cpu-features.h"

#include "../abi.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#endif

namespace warpline {

#if defined(__x86_64__)
namespace {

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r{};
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
}

bool all(uint32_t value, uint32_t bits) { return (value & bits) == bits; }

uint32_t saved_registers() {
  if (!all(cpuid(1, 0).ecx, bit_OSXSAVE)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has_avx2() {
  return all(saved_registers(), 0x6) && all(cpuid(1, 0).ecx, bit_AVX | bit_FMA | bit_F16C) &&
         all(cpuid(7, 0).ebx, bit_AVX2);
}

bool has_avx512() {
  const Registers extended = cpuid(7, 0);
  return has_avx2() && all(saved_registers(), 0xe6) &&
         all(extended.ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ) &&
         all(extended.ecx, bit_AVX512VNNI);
}

bool has_avx512bf16() { return has_avx512() && all(cpuid(7, 1).eax, 1u << 5); }

}  // namespace

bool machine_runs(int level) {
  switch (level) {
    case WL_PORTABLE:
      return true;
    case WL_AVX2:
      return has_avx2();
    case WL_AVX512:
      return has_avx512();
    case WL_AVX512BF16:
      return has_avx512bf16();
    default:
      return false;
  }
}

#else

bool machine_runs(int level) {
#if defined(__aarch64__)
  if (level == WL_NEON) return true;
#endif
  return level == WL_PORTABLE;
}

#endif

}  // namespace warpline
