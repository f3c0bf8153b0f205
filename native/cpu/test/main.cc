// Runs the cases whose names contain the first argument, or all; exits with 1 when a check failed.
#include <chrono>
#include <cstdarg>
#include <cstring>

#include "check.h"

namespace warpline::test {

namespace {
int failures = 0;
}

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

void fail(const char* file, int line, const char* what, ...) {
  if (++failures > 40) return;  // one fault often fails thousands of checks
  std::printf("  %s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, what);
  std::vprintf(what, arguments);
  va_end(arguments);
  std::printf("\n");
}

}  // namespace warpline::test

int main(int count, char** arguments) {
  using namespace warpline::test;
  int ran = 0, failed = 0;
  for (const Case& test : cases()) {
    if (count > 1 && !std::strstr(test.name, arguments[1])) continue;
    const int before = failures;
    const auto started = std::chrono::steady_clock::now();
    test.run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    std::printf("%s %s (%.2f s)\n", failures == before ? "ok    " : "FAILED", test.name, seconds.count());
    std::fflush(stdout);
    ran++;
    failed += failures != before;
  }
  std::printf("%d cases, %d failed\n", ran, failed);
  return failed > 0 || ran == 0;
}
