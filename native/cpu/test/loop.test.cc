// Work items are claimed once each, whoever claims them, and barriers hold everyone.
#include <atomic>

#include "../core/operation.h"
#include "../core/thread-pool.h"
#include "check.h"

namespace warpline::test {
namespace {

struct Job {
  ThreadPool* pool;
  std::vector<std::atomic<int>>* claims;
  int64_t items;
  int loops;
  bool lazy_first;  // thread 0 works on its first item until all others are done
  std::atomic<int64_t> done{0};
};

// Several loops in a row, without a barrier in between.
void claim_all(void* argument, int thread) {
  Job& job = *static_cast<Job*>(argument);
  uint32_t loops = 0;
  const Context context{nullptr, thread, job.pool->threads(), nullptr, job.pool, &loops};
  for (int round = 0; round < job.loops; round++) {
    for (Loop loop(context, job.items); loop.next();) {
      (*job.claims)[static_cast<size_t>(round * job.items + loop.item())]++;
      if (job.lazy_first && thread == 0) {
        while (job.done.load() < job.items - 1) std::this_thread::yield();
      }
      job.done++;
    }
  }
}

int32_t forget(void* argument) {
  static_cast<Job*>(argument)->pool->forget_parts();
  return 0;
}

TEST("every item of a loop is claimed once, also where loops follow each other without a barrier") {
  for (int threads : {1, 2, 3, 7}) {
    const auto pool = ThreadPool::create(threads);
    for (int64_t items : {0, 1, 2, 5, 64, 1000}) {
      const int loops = 20;
      std::vector<std::atomic<int>> claims(static_cast<size_t>(items * loops));
      Job job{pool.get(), &claims, items, loops, false, {}};
      pool->run(forget, claim_all, &job);
      for (const std::atomic<int>& count : claims)
        CHECK(count == 1, "%d threads: claimed %d times", threads, count.load());
    }
  }
}

TEST("others take over the items of a thread that is held up") {
  const auto pool = ThreadPool::create(3);
  std::vector<std::atomic<int>> claims(30);
  Job job{pool.get(), &claims, 30, 1, true, {}};
  pool->run(forget, claim_all, &job);  // would never end otherwise
  CHECK(job.done == 30, "%d done", static_cast<int>(job.done));
}

struct Meeting {
  ThreadPool* pool;
  std::atomic<int> arrived{0};
  std::atomic<int> early{0};
};

TEST("nobody leaves a barrier before everybody is there") {
  for (int threads : {2, 5}) {
    const auto pool = ThreadPool::create(threads);
    Meeting meeting{pool.get(), {}, {}};
    pool->run([](void*) { return 0; },
              [](void* argument, int) {
                Meeting& m = *static_cast<Meeting*>(argument);
                for (int round = 1; round <= 300; round++) {
                  m.arrived++;
                  m.pool->barrier().meet();
                  if (m.arrived < round * m.pool->threads()) m.early++;
                  m.pool->barrier().meet();
                }
              },
              &meeting);
    CHECK(meeting.early == 0, "%d early of %d threads", meeting.early.load(), threads);
  }
}

}  // namespace
}  // namespace warpline::test
