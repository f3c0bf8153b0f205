// Threads that run one task together. The caller of `run` is thread 0; the others wait between tasks as barrier.h says.
#ifndef WARPLINE_CPU_THREAD_POOL_H
#define WARPLINE_CPU_THREAD_POOL_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "arena.h"
#include "barrier.h"

namespace warpline {

class ThreadPool {
 public:
  // Null when the system refuses a thread. 0 threads: default_threads().
  static std::unique_ptr<ThreadPool> create(int threads);
  ~ThreadPool();

  using Prepare = int32_t (*)(void* argument);
  using Task = void (*)(void* argument, int thread);
  // Calls prepare(argument) and then, if that returns 0, task(argument, t) for every thread t at once. Returns what
  // `prepare` returned when all have returned. Callers queue.
  int32_t run(Prepare prepare, Task task, void* argument);

  int threads() const { return threads_; }
  Barrier& barrier() { return barrier_; }
  // Scratch memory of the running task.
  Arena& arena() { return arena_; }
  // What is left of a thread's part of a Loop.
  std::atomic<uint64_t>& part(int thread) { return parts_[static_cast<size_t>(thread)].left; }
  // Between tasks: loops may be counted anew.
  void forget_parts();

 private:
  struct alignas(64) Part {
    std::atomic<uint64_t> left{0};
  };

  ThreadPool(int threads, std::vector<int> cores);
  bool start();
  void work(int thread);
  int processor_of(int thread) const;

  const int threads_;
  std::vector<int> processors_;  // empty: threads are not bound
  std::vector<std::thread> workers_;
  std::mutex running_;
  Barrier barrier_;
  Arena arena_;
  std::vector<Part> parts_;
  Epoch tasks_;  // advances when there is a new task
  Task task_ = nullptr;
  void* argument_ = nullptr;
  bool stopping_ = false;
};

}  // namespace warpline
#endif
