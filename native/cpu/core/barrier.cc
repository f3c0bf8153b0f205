#include "barrier.h"

#include <thread>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace warpline {
namespace {

// About 50 us when no one else wants the core.
constexpr int kYields = 128;

inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

}  // namespace

bool Epoch::spin(uint32_t seen) const {
  for (int i = 0; i < spins_; i++) {
    if (now() != seen) return true;
    relax();
  }
  for (int i = 0; i < kYields; i++) {
    if (now() != seen) return true;
    std::this_thread::yield();
  }
  return false;
}

// A sleeper counts itself before it looks at the value; `advance` changes the value before it looks for sleepers. In
// one total order (seq_cst) at least one of the two sees the other.
void Epoch::wait_beyond(uint32_t seen) {
  if (spin(seen)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_.fetch_add(1);
  changed_.wait(lock, [&] { return value_.load() != seen; });
  sleepers_.fetch_sub(1);
}

void Epoch::advance() {
  value_.fetch_add(1);
  if (sleepers_.load() == 0) return;
  std::lock_guard<std::mutex> lock(mutex_);
  changed_.notify_all();
}

void Barrier::meet() {
  if (threads_ == 1) return;
  const uint32_t seen = epoch_.now();
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < threads_) {
    epoch_.wait_beyond(seen);
    return;
  }
  arrived_.store(0, std::memory_order_relaxed);  // published by the epoch
  epoch_.advance();
}

}  // namespace warpline
