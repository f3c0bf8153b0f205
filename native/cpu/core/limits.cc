#include "limits.h"

#include <atomic>
#include <chrono>

#include "kernels.h"

namespace warpline {
namespace {

// About a millisecond.
constexpr int64_t kTurns = 250'000;
constexpr int64_t kPage = 4096;

int32_t ready(void*) { return WL_OK; }

struct Spinning {
  const Kernels* kernels;
  int32_t storage;
  std::atomic<int64_t> operations{0};
};

struct Reading {
  const Kernels* kernels;
  const char* memory;
  int64_t part;
};

}  // namespace

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double peak(ThreadPool& pool, int32_t storage, Clock clock) {
  Spinning spinning{kernels(), storage};
  const auto spin = [](void* argument, int) {
    Spinning& all = *static_cast<Spinning*>(argument);
    all.operations += static_cast<int64_t>(all.kernels->spin(all.storage, kTurns));
  };
  const double started = clock();
  pool.run(ready, spin, &spinning);
  return static_cast<double>(spinning.operations.load()) / (clock() - started);
}

double read_bandwidth(ThreadPool& pool, const void* memory, size_t bytes, Clock clock) {
  const int64_t part = static_cast<int64_t>(bytes) / pool.threads() / kPage * kPage;
  Reading reading{kernels(), static_cast<const char*>(memory), part};
  const auto read = [](void* argument, int thread) {
    const Reading& all = *static_cast<Reading*>(argument);
    all.kernels->read(all.memory + all.part * thread, all.part);
  };
  const double started = clock();
  pool.run(ready, read, &reading);
  return static_cast<double>(part) * pool.threads() / (clock() - started);
}

}  // namespace warpline

using namespace warpline;

double wl_measure_peak(wl_pool* pool, int32_t storage) {
  if (!kernels() || storage < 0 || storage >= WL_STORAGES) return 0;
  return peak(*reinterpret_cast<ThreadPool*>(pool), storage);
}

double wl_measure_read(wl_pool* pool, const void* memory, size_t bytes) {
  if (!kernels()) return 0;
  return read_bandwidth(*reinterpret_cast<ThreadPool*>(pool), memory, bytes);
}
