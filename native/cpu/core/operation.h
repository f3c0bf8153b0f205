// What an operation is to the runner, and what a running operation is given. Included by kernels, which are compiled
// once a level: so there are declarations and plain data only, no inline function (but those always inlined) whose
// level the linker would choose.
#ifndef WARPLINE_CPU_OPERATION_H
#define WARPLINE_CPU_OPERATION_H

#include "../commands.h"

namespace warpline {

class ThreadPool;

struct Range {
  int64_t first;
  int64_t last;  // one past
};

// One thread's view of a running command. Every thread of the pool calls the operation with a context of its own.
struct Context {
  const wl_step* step;
  int32_t thread;
  int32_t threads;
  // Shared by all threads, 64-byte aligned, as large as Operation::scratch asked for; garbage at first.
  uint8_t* scratch;
  ThreadPool* pool;
  // Loops (below) that this thread has entered in this run.
  uint32_t* loops;

  // Returns when all threads of the pool are here. All threads must call it equally often.
  void barrier() const;
  // This thread's part of `items` equal work items: contiguous, in thread order. What an item computes must not
  // depend on who computes it, nor on how many threads there are.
  Range share(int64_t items) const;
};

// A parallel loop over work items that take long: each thread works through its share, front to back, and then takes
// what others have not begun, from their backs, so that a thread whose core is taken away does not hold up the rest.
// All threads must enter the same loops in the same order.
//   for (Loop loop(context, items); loop.next();) work(loop.item());
class Loop {
 public:
  Loop(const Context& context, int64_t items);
  // Claims an item; false when none is left.
  bool next();
  __attribute__((always_inline)) int64_t item() const { return item_; }

 private:
  bool claim(int32_t thread, bool back);

  const Context& context_;
  const int64_t items_;
  const uint32_t loop_;
  int32_t victim_;
  int64_t item_ = -1;
};

// The runner meets all threads after an operation, so `run` needs no barrier at its end.
struct Operation {
  // Returns a wl_error. All threads must return the same one, or no barrier may follow the point of failure.
  int32_t (*run)(const wl_command& command, const Context& context);
  // Bytes of scratch memory for this step; null for none.
  size_t (*scratch)(const wl_command& command, const wl_step& step, int32_t threads);
};

// The number of rows of a command in this step; negative where the command names no size.
int32_t rows_of(const wl_command& command, const wl_step& step);

}  // namespace warpline
#endif
