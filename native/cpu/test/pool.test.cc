// The pool and the runner: order, errors, sharing, levels.
#include <cmath>
#include <cstring>
#include <thread>

#include "product.h"

namespace warpline::test {
namespace {

TEST("commands run in order, however many threads and callers there are") {
  const int32_t width = 64, rows = 5;
  const Matrix m = make_matrix(WL_F32, width, width, false, 1);
  const std::vector<float> x = random_floats(rows * width, 2, 0.1f);
  const auto chain = [&](const Pool& pool) {
    std::vector<std::vector<float>> y(50, std::vector<float>(rows * width));
    std::vector<wl_command> commands;
    for (size_t i = 0; i < y.size(); i++) {
      commands.push_back(linear_command(m, i == 0 ? x.data() : y[i - 1].data(), y[i].data(), width));
    }
    wl_step step{};
    step.size[WL_TOKENS] = rows;
    std::vector<uint64_t> nanoseconds(commands.size());
    CHECK(wl_run(pool.get(), commands.data(), 50, &step, nanoseconds.data(), nullptr) == WL_OK, "runs");
    for (uint64_t time : nanoseconds) CHECK(time > 0, "times every command");
    return y.back();
  };
  const Pool alone(1), shared(3);
  const std::vector<float> expected = chain(alone);
  std::thread other([&] {
    for (int i = 0; i < 50; i++) CHECK(chain(shared) == expected, "the other caller's result");
  });
  for (int i = 0; i < 50; i++) CHECK(chain(shared) == expected, "this caller's result");
  other.join();
}

TEST("a bad command stops the run and is named") {
  const Matrix m = make_matrix(WL_F32, 8, 8, false, 3);
  const std::vector<float> x = random_floats(16, 4);
  std::vector<float> out(16);
  wl_command commands[3];
  for (wl_command& command : commands) command = linear_command(m, x.data(), out.data(), 8);
  const Pool pool(3);
  wl_step step{};
  step.size[WL_TOKENS] = 2;
  int32_t failed = 7;
  const auto run = [&] { return wl_run(pool.get(), commands, 3, &step, nullptr, &failed); };
  CHECK(run() == WL_OK && failed == -1, "a good run");
  commands[1].linear.activation = 99;
  CHECK(run() == WL_BAD_COMMAND && failed == 1, "found while running: %d", failed);
  commands[1].opcode = 31;
  CHECK(run() == WL_BAD_COMMAND && failed == 1, "found before: %d", failed);
  commands[1] = commands[0];
  commands[2].rows = WL_ROWS;
  step.size[WL_ROWS] = -1;
  CHECK(run() == WL_BAD_SIZE && failed == 2, "a negative size: %d", failed);
  step.size[WL_ROWS] = 0;
  CHECK(run() == WL_OK, "no rows are fine");
}

TEST("pools of many threads start and stop, also unused") {
  for (int32_t threads : {1, 2, 9}) {
    const Pool pool(threads);
    CHECK(wl_pool_threads(pool.get()) == threads, "%d threads", threads);
  }
  CHECK(wl_default_threads() >= 1, "at least one thread");
}

TEST("levels have names and unknown ones are refused") {
  CHECK(wl_level() >= 0 && wl_level_supported(wl_level()), "the level in use runs");
  CHECK(wl_set_level("mmx") == WL_UNKNOWN_LEVEL, "no such level");
  CHECK(wl_level_name(WL_LEVELS) == nullptr && wl_level_supported(-1) == 0, "no such number");
#if defined(__x86_64__)
  CHECK(wl_set_level("neon") == WL_UNSUPPORTED_LEVEL, "another machine's level");
#endif
}

TEST("memory is zeroed and aligned") {
  for (size_t bytes : {size_t{1}, size_t{1000}, size_t{3} << 20}) {
    const Block block(bytes);
    const uint8_t* memory = static_cast<const uint8_t*>(block.get());
    CHECK(reinterpret_cast<uintptr_t>(memory) % (bytes >= (2u << 20) ? 2u << 20 : 64) == 0, "%zu bytes", bytes);
    CHECK(memory[0] == 0 && memory[bytes - 1] == 0, "zeros");
  }
  CHECK(wl_allocate(SIZE_MAX - 100) == nullptr, "too much is refused");
}

}  // namespace
}  // namespace warpline::test
