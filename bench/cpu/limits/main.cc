// What this machine can do at most, measured whenever asked: each line on standard input is answered by one line of JSON
//   {"read": bytes a second, "f32": operations a second, "bf16": ..., "int8": ...}
// of all threads together; 0 where the machine lacks the instruction. The threads sleep in between.
// Usage: limits [threads]. Compiled by limits.ts from this file, kernels/limits.cc and the pool of native/cpu.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "limits.h"

namespace {

constexpr int kRounds = 5;
// Far more than any cache holds.
constexpr size_t kBytes = size_t{256} << 20;

template <typename Measure>
double median(Measure measure) {
  std::vector<double> values;
  for (int round = 0; round < kRounds; round++) values.push_back(measure());
  std::sort(values.begin(), values.end());
  return values[kRounds / 2];
}

}  // namespace

int main(int count, char** arguments) {
  using namespace warpline;
  using namespace warpline::bench;
  const auto pool = ThreadPool::create(count > 1 ? std::atoi(arguments[1]) : 0);
  std::vector<char> memory(kBytes, 1);
  if (!pool) return 1;
  char line[16];
  while (std::fgets(line, sizeof line, stdin)) {
    const double read = median([&] { return read_bandwidth(*pool, memory.data(), kBytes); });
    double peaks[kInstructions];
    for (int i = 0; i < kInstructions; i++) {
      peaks[i] = median([&] { return peak(*pool, static_cast<Instruction>(i)); });
    }
    std::printf("{\"read\": %.0f, \"f32\": %.0f, \"bf16\": %.0f, \"int8\": %.0f}\n", read, peaks[kFmaFloat],
                peaks[kDotBrain], peaks[kDotBytes]);
    std::fflush(stdout);
  }
}
