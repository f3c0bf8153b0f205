#include "thread-pool.h"

#include <system_error>

#include "affinity.h"

namespace warpline {

namespace {

bool crowded(int threads, const std::vector<int>& cores) {
  return !cores.empty() && threads > static_cast<int>(cores.size());
}

}  // namespace

ThreadPool::ThreadPool(int threads, std::vector<int> cores)
    : threads_(threads),
      barrier_(static_cast<uint32_t>(threads), crowded(threads, cores)),
      parts_(static_cast<size_t>(threads)),
      tasks_(crowded(threads, cores)) {
  if (static_cast<int>(cores.size()) == threads) processors_ = std::move(cores);
}

std::unique_ptr<ThreadPool> ThreadPool::create(int threads) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool(threads > 0 ? threads : default_threads(), allowed_cores()));
  return pool->start() ? std::move(pool) : nullptr;
}

bool ThreadPool::start() {
  try {
    for (int thread = 1; thread < threads_; thread++) workers_.emplace_back(&ThreadPool::work, this, thread);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  tasks_.advance();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::forget_parts() {
  for (Part& part : parts_) part.left.store(0, std::memory_order_relaxed);
}

int ThreadPool::processor_of(int thread) const {
  return processors_.empty() ? -1 : processors_[static_cast<size_t>(thread)];
}

void ThreadPool::work(int thread) {
  if (processor_of(thread) >= 0) bind_thread(processor_of(thread));
  yield_to_wakers();
  for (uint32_t seen = 0;; seen++) {
    tasks_.wait_beyond(seen);
    if (stopping_) return;
    task_(argument_, thread);
    barrier_.meet();
  }
}

int32_t ThreadPool::run(Prepare prepare, Task task, void* argument) {
  std::lock_guard<std::mutex> lock(running_);
  if (const int32_t error = prepare(argument)) return error;
  const Binding binding(processor_of(0));
  yield_to_wakers();
  task_ = task;
  argument_ = argument;
  tasks_.advance();
  task(argument, 0);
  barrier_.meet();
  return 0;
}

}  // namespace warpline
