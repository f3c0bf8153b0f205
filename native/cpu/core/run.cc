// Runs a command buffer: every thread walks the whole list, meeting the others after each command.
#include <atomic>
#include <chrono>

#include "kernels.h"
#include "thread-pool.h"

namespace warpline {

void Context::barrier() const { pool->barrier().meet(); }

Range Context::share(int64_t items) const { return {items * thread / threads, items * (thread + 1) / threads}; }

int32_t rows_of(const wl_command& command, const wl_step& step) {
  return command.rows < 0 || command.rows >= WL_SIZES ? -1 : step.size[command.rows];
}

namespace {

struct Run {
  const Kernels* kernels;
  const wl_command* commands;
  int32_t count;
  const wl_step* step;
  uint64_t* nanoseconds;
  ThreadPool* pool;
  // The command that failed and its error, in one word: a fast thread may fail at a command while a slow one has yet to
  // look at the outcome of the one before.
  std::atomic<int64_t> failure{kNone};
  int32_t failed = -1;  // of what is found before anything runs

  static constexpr int64_t kNone = int64_t{1} << 62;
  void fail(int32_t command, int32_t error) {
    failure.store(int64_t{command} << 32 | error, std::memory_order_relaxed);
  }
  bool failed_at(int32_t command) const { return failure.load(std::memory_order_relaxed) >> 32 == command; }
};

uint64_t now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

const Operation* operation_of(const Kernels& kernels, const wl_command& command) {
  if (command.opcode < 0 || command.opcode >= WL_OPCODES) return nullptr;
  const Operation& operation = kernels.operations[command.opcode];
  return operation.run ? &operation : nullptr;
}

void walk(void* argument, int thread) {
  Run& run = *static_cast<Run*>(argument);
  uint32_t loops = 0;
  uint8_t* scratch = static_cast<uint8_t*>(run.pool->arena().memory());
  const Context context{run.step, thread, run.pool->threads(), scratch, run.pool, &loops};
  const bool timed = run.nanoseconds && thread == 0;
  uint64_t before = timed ? now() : 0;
  for (int32_t i = 0; i < run.count; i++) {
    const int32_t error = operation_of(*run.kernels, run.commands[i])->run(run.commands[i], context);
    if (error) run.fail(i, error);
    context.barrier();
    if (run.failed_at(i)) return;
    if (!timed) continue;
    const uint64_t after = now();
    run.nanoseconds[i] = after - before;
    before = after;
  }
}

// Checks what can be checked before anything runs, and makes room for the hungriest command.
int32_t prepare(Run& run) {
  size_t scratch = 0;
  for (int32_t i = 0; i < run.count; i++) {
    const Operation* operation = operation_of(*run.kernels, run.commands[i]);
    run.failed = i;
    if (!operation) return WL_BAD_COMMAND;
    if (rows_of(run.commands[i], *run.step) < 0) return WL_BAD_SIZE;
    if (!operation->scratch) continue;
    const size_t bytes = operation->scratch(run.commands[i], *run.step, run.pool->threads());
    if (bytes > scratch) scratch = bytes;
  }
  run.failed = -1;
  run.pool->forget_parts();
  return run.pool->arena().reserve(scratch) ? WL_OK : WL_OUT_OF_MEMORY;
}

}  // namespace
}  // namespace warpline

using namespace warpline;

int32_t wl_run(wl_pool* pool, const wl_command* commands, int32_t count, const wl_step* step, uint64_t* nanoseconds,
               int32_t* failed) {
  Run run;
  run.kernels = kernels();
  run.commands = commands;
  run.count = count;
  run.step = step;
  run.nanoseconds = nanoseconds;
  run.pool = reinterpret_cast<ThreadPool*>(pool);
  if (failed) *failed = -1;
  if (!run.kernels) return WL_UNSUPPORTED_LEVEL;
  const int32_t error = run.pool->run([](void* argument) { return prepare(*static_cast<Run*>(argument)); }, walk, &run);
  if (error) {
    if (failed) *failed = run.failed;
    return error;
  }
  const int64_t failure = run.failure.load(std::memory_order_relaxed);
  if (failure == Run::kNone) return WL_OK;
  if (failed) *failed = static_cast<int32_t>(failure >> 32);
  return static_cast<int32_t>(failure);
}
