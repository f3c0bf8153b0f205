#include "limits.h"

#include <chrono>
#include <ctime>

#include "abi.h"
#include "core/cpu-features.h"

namespace warpline::bench {

namespace {
bool own_time = false;
}

void count_own_time() { own_time = true; }

double now() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time;
  if (own_time && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0) return time.tv_sec + 1e-9 * time.tv_nsec;
#endif
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

#if defined(__x86_64__)
namespace {

constexpr int64_t kTurns = 200'000;

// Sixteen independent chains hide any latency; registers 16 to 31 belong to nobody here, this file being compiled
// without AVX-512. Their contents are zeroed first: multiplying denormals could be slow.
#define WL_CHAINS(op)                                                                                   \
  op "%%zmm31, %%zmm30, %%zmm0\n" op "%%zmm31, %%zmm30, %%zmm1\n" op "%%zmm31, %%zmm30, %%zmm2\n" op    \
     "%%zmm31, %%zmm30, %%zmm3\n" op "%%zmm31, %%zmm30, %%zmm4\n" op "%%zmm31, %%zmm30, %%zmm5\n" op    \
     "%%zmm31, %%zmm30, %%zmm6\n" op "%%zmm31, %%zmm30, %%zmm7\n" op "%%zmm31, %%zmm30, %%zmm8\n" op    \
     "%%zmm31, %%zmm30, %%zmm9\n" op "%%zmm31, %%zmm30, %%zmm10\n" op "%%zmm31, %%zmm30, %%zmm11\n" op  \
     "%%zmm31, %%zmm30, %%zmm12\n" op "%%zmm31, %%zmm30, %%zmm13\n" op "%%zmm31, %%zmm30, %%zmm14\n" op \
     "%%zmm31, %%zmm30, %%zmm15\n"
#define WL_SPIN(op)                                                                                             \
  __asm__ volatile(                                                                                             \
      "vpxorq %%zmm31, %%zmm31, %%zmm31\nvpxorq %%zmm30, %%zmm30, %%zmm30\n"                                    \
      "1:\n" WL_CHAINS(op) "dec %0\njnz 1b\nvzeroupper\n"                                                       \
      : "+r"(turns)                                                                                             \
      :                                                                                                         \
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
        "xmm12", "xmm13", "xmm14", "xmm15")

void spin(void* argument, int) {
  int64_t turns = kTurns;
  switch (*static_cast<Instruction*>(argument)) {
    case kFmaFloat:
      WL_SPIN("vfmadd231ps ");
      break;
    case kDotBrain:
      WL_SPIN("vdpbf16ps ");
      break;
    default:
      WL_SPIN("vpdpbusd ");
      break;
  }
}

struct Reading {
  const char* memory;
  int64_t bytes;
  int threads;
};

__attribute__((target("avx512f"))) void read(void* argument, int thread) {
  const Reading& reading = *static_cast<Reading*>(argument);
  const int64_t part = reading.bytes / reading.threads / 4096 * 4096;
  const char* at = reading.memory + part * thread;
  for (int64_t i = 0; i < part; i += 256) {
    __asm__ volatile(
        "prefetcht0 4096(%0)\nprefetcht0 4160(%0)\nprefetcht0 4224(%0)\nprefetcht0 4288(%0)\n"
        "vmovups (%0), %%zmm16\nvmovups 64(%0), %%zmm17\nvmovups 128(%0), %%zmm18\nvmovups 192(%0), %%zmm19\n"
        :
        : "r"(at + i)
        : "memory");
  }
}

}  // namespace

double peak(ThreadPool& pool, Instruction instruction) {
  const int level = instruction == kDotBrain ? WL_AVX512BF16 : WL_AVX512;
  if (!machine_runs(level)) return 0;
  const double started = now();
  pool.run([](void*) { return 0; }, spin, &instruction);
  const int lanes[kInstructions] = {16, 32, 64};
  return pool.threads() * static_cast<double>(kTurns) * 16 * 2 * lanes[instruction] / (now() - started);
}

double read_bandwidth(ThreadPool& pool, const void* memory, int64_t bytes) {
  if (!machine_runs(WL_AVX512)) return 0;
  Reading reading{static_cast<const char*>(memory), bytes, pool.threads()};
  const double started = now();
  pool.run([](void*) { return 0; }, read, &reading);
  return static_cast<double>(bytes) / (now() - started);
}

#else

double peak(ThreadPool&, Instruction) { return 0; }
double read_bandwidth(ThreadPool&, const void*, int64_t) { return 0; }

#endif

}  // namespace warpline::bench
