// A few lines of test harness: cases register themselves, a failed check names its case and goes on.
#ifndef WARPLINE_TEST_CHECK_H
#define WARPLINE_TEST_CHECK_H

#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "../abi.h"
#include "../commands.h"

namespace warpline::test {

struct Case {
  const char* name;
  void (*run)();
};

std::vector<Case>& cases();
// Counts a failure and prints it; `what` in printf's form.
void fail(const char* file, int line, const char* what, ...) __attribute__((format(printf, 3, 4)));

struct Register {
  Register(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

#define WL_JOIN_(a, b) a##b
#define WL_JOIN(a, b) WL_JOIN_(a, b)
#define TEST(name)                                                                                      \
  static void WL_JOIN(test_, __LINE__)();                                                               \
  static const ::warpline::test::Register WL_JOIN(register_, __LINE__)(name, WL_JOIN(test_, __LINE__)); \
  static void WL_JOIN(test_, __LINE__)()

#define CHECK(condition, ...)                                                  \
  do {                                                                         \
    if (!(condition)) ::warpline::test::fail(__FILE__, __LINE__, __VA_ARGS__); \
  } while (0)

// Calls `body` with each level that the machine can run in use, and puts the best one back.
template <class Body>
void at_each_level(Body body) {
  for (int32_t level = 0; level < WL_LEVELS; level++) {
    if (!wl_level_supported(level)) continue;
    wl_set_level(wl_level_name(level));
    body(wl_level_name(level));
  }
  wl_set_level(nullptr);
}

inline std::vector<float> random_floats(size_t count, uint32_t seed, float deviation = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

// Memory of wl_allocate, freed at the end of its scope.
class Block {
 public:
  explicit Block(size_t bytes) : bytes_(bytes), memory_(wl_allocate(bytes)) {}
  ~Block() { wl_free(memory_, bytes_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  void* get() const { return memory_; }

 private:
  size_t bytes_;
  void* memory_;
};

// A pool of so many threads for the length of a scope.
class Pool {
 public:
  explicit Pool(int32_t threads) : pool_(wl_pool_create(threads)) {}
  ~Pool() { wl_pool_destroy(pool_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  // One command over `tokens` rows.
  int32_t run(const wl_command& command, int32_t tokens) const {
    wl_step step{};
    step.size[WL_TOKENS] = tokens;
    return wl_run(pool_, &command, 1, &step, nullptr, nullptr);
  }
  wl_pool* get() const { return pool_; }

 private:
  wl_pool* pool_;
};

}  // namespace warpline::test
#endif
