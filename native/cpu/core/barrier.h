// A reusable barrier for the threads of a pool, and the waiting that pools share: spin, then yield, then sleep.
// Spinning keeps a step's hundred or so meetings under a microsecond each; yielding hands a shared core to whoever
// needs it; sleeping ends the waste when a peer is far behind. No spin is without bound.
#ifndef WARPLINE_CPU_BARRIER_H
#define WARPLINE_CPU_BARRIER_H

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace warpline {

// A number that only changes by `advance`, and that threads wait for.
class Epoch {
 public:
  // `crowded`: there are more threads than cores, so that who spins holds up who is waited for.
  explicit Epoch(bool crowded) : spins_(crowded ? 0 : kSpins) {}
  uint32_t now() const { return value_.load(std::memory_order_acquire); }
  // Wakes whoever waits for a value other than the present one.
  void advance();
  // Returns once the value is not `seen`.
  void wait_beyond(uint32_t seen);

 private:
  // About 10 us: longer than work items differ by, shorter than a time slice by far.
  static constexpr int kSpins = 512;

  bool spin(uint32_t seen) const;

  const int spins_;
  alignas(64) std::atomic<uint32_t> value_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

class Barrier {
 public:
  Barrier(uint32_t threads, bool crowded) : threads_(threads), epoch_(crowded) {}
  // Returns when all threads have called it; what they wrote before is then visible to all.
  void meet();

 private:
  const uint32_t threads_;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  Epoch epoch_;
};

}  // namespace warpline
#endif
