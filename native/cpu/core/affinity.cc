#include "affinity.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace warpline {

#if defined(__linux__)
namespace {

// The first number of a small file of the kernel; -1 where there is none.
double first_number(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "r");
  if (!file) return -1;
  double value = -1;
  if (std::fscanf(file, "%lf", &value) != 1) value = -1;
  std::fclose(file);
  return value;
}

// Processors' worth of time that the control group grants (version 2, then 1); infinite without a limit.
double quota() {
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    double granted = -1, period = -1;
    const int found = std::fscanf(file, "%lf %lf", &granted, &period);  // "max 100000" without a limit
    std::fclose(file);
    if (found == 2 && granted > 0 && period > 0) return granted / period;
  }
  const double granted = first_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const double period = first_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  return granted > 0 && period > 0 ? granted / period : INFINITY;
}

// Hyper-threads of one core share its vector units: the lowest allowed one stands for the core.
int core_of(int processor) {
  const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/";
  const double lowest_sibling = first_number(topology + "thread_siblings_list");
  return lowest_sibling < 0 ? processor : static_cast<int>(lowest_sibling);
}

}  // namespace

std::vector<int> allowed_cores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {};
  std::vector<int> processors, cores;
  for (int processor = 0; processor < CPU_SETSIZE; processor++) {
    if (!CPU_ISSET(processor, &mask)) continue;
    const int core = core_of(processor);
    if (std::find(cores.begin(), cores.end(), core) != cores.end()) continue;
    cores.push_back(core);
    processors.push_back(processor);
  }
  return processors;
}

int default_threads() {
  const int cores = static_cast<int>(allowed_cores().size());
  if (cores == 0) return std::max(1u, std::thread::hardware_concurrency());
  return static_cast<int>(std::max(1.0, std::min<double>(cores, std::floor(quota() + 0.5))));
}

void bind_thread(int processor) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(processor, &mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

// Linux 6.12 gives each thread a slice of its own to ask for, and one that wakes up with a shorter slice than the running
// one's takes its place at once (else it may wait for the end of a slice). The event loop's thread wakes for a moment a
// thousand times a second, ours compute for seconds: with a slice of twice the usual one they get the same share of the
// processor, and the event loop gets its turn. Older kernels ignore it.
void yield_to_wakers() {
#if defined(SYS_sched_setattr) && defined(SYS_sched_getattr)
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {};
  constexpr uint64_t kSlice = 6'000'000;  // nanoseconds
  thread_local bool done = false;
  if (done || syscall(SYS_gettid) == getpid()) return;
  done = true;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.size = sizeof attributes;
  attributes.runtime = kSlice;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

Binding::Binding(int processor) {
  static_assert(sizeof before_ >= sizeof(cpu_set_t), "the mask fits");
  if (processor < 0 || sched_getaffinity(0, sizeof(cpu_set_t), reinterpret_cast<cpu_set_t*>(before_)) != 0) return;
  bind_thread(processor);
  bound_ = true;
}

Binding::~Binding() {
  if (bound_) sched_setaffinity(0, sizeof(cpu_set_t), reinterpret_cast<cpu_set_t*>(before_));
}

#else  // macOS binds no threads; elsewhere the scheduler does well enough

std::vector<int> allowed_cores() { return {}; }
int default_threads() { return std::max(1u, std::thread::hardware_concurrency()); }
void bind_thread(int) {}
void yield_to_wakers() {}
Binding::Binding(int) { (void)bound_, (void)before_; }
Binding::~Binding() = default;

#endif

}  // namespace warpline
