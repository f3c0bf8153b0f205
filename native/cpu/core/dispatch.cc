// Chooses a level: the one that WARPLINE_CPU names, or the best that the machine can run and the build holds.
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "cpu-features.h"
#include "kernels.h"

// The build defines WL_HAS_<LEVEL> for each level that it compiles.
namespace warpline {
namespace portable {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx512bf16 {
extern const Kernels kKernels;
}
namespace neon {
extern const Kernels kKernels;
}

namespace {

struct Level {
  const char* name;
  const Kernels* kernels;  // null where the build does not hold it
};

const Level kLevels[WL_LEVELS] = {
    {"portable", &portable::kKernels},
#if defined(WL_HAS_AVX2)
    {"avx2", &avx2::kKernels},
#else
    {"avx2", nullptr},
#endif
#if defined(WL_HAS_AVX512)
    {"avx512", &avx512::kKernels},
#else
    {"avx512", nullptr},
#endif
#if defined(WL_HAS_AVX512BF16)
    {"avx512bf16", &avx512bf16::kKernels},
#else
    {"avx512bf16", nullptr},
#endif
#if defined(WL_HAS_NEON)
    {"neon", &neon::kKernels},
#else
    {"neon", nullptr},
#endif
};

bool runs(int level) { return level >= 0 && level < WL_LEVELS && kLevels[level].kernels && machine_runs(level); }

// A level, or a negative wl_error.
int choose(const char* name) {
  if (name && *name) {
    for (int level = 0; level < WL_LEVELS; level++) {
      if (std::strcmp(name, kLevels[level].name) == 0) return runs(level) ? level : -WL_UNSUPPORTED_LEVEL;
    }
    return -WL_UNKNOWN_LEVEL;
  }
  for (int level = WL_LEVELS - 1; level > 0; level--) {
    if (runs(level)) return level;
  }
  return WL_PORTABLE;
}

std::atomic<int>& level_in_use() {
  static std::atomic<int> level(choose(std::getenv("WARPLINE_CPU")));
  return level;
}

}  // namespace

const Kernels* kernels() {
  const int level = level_in_use().load(std::memory_order_relaxed);
  return level < 0 ? nullptr : kLevels[level].kernels;
}

}  // namespace warpline

using namespace warpline;

int32_t wl_level(void) { return level_in_use().load(std::memory_order_relaxed); }

const char* wl_level_name(int32_t level) { return level < 0 || level >= WL_LEVELS ? nullptr : kLevels[level].name; }

int32_t wl_level_supported(int32_t level) { return runs(level); }

int32_t wl_set_level(const char* name) {
  const int level = choose(name);
  if (level < 0) return -level;
  level_in_use().store(level, std::memory_order_relaxed);
  return WL_OK;
}
