// Which processors this process may use, and binding threads to them.
#ifndef WARPLINE_CPU_AFFINITY_H
#define WARPLINE_CPU_AFFINITY_H

#include <vector>

namespace warpline {

// One processor of each physical core that the process' affinity mask allows, in ascending order; empty where the
// system does not tell.
std::vector<int> allowed_cores();

// Threads worth using: see wl_default_threads.
int default_threads();

// The calling thread's binding, put back by the destructor.
class Binding {
 public:
  explicit Binding(int processor);  // negative: binds nothing
  ~Binding();
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;

 private:
  bool bound_ = false;
  unsigned long before_[16];  // a mask of 1024 processors
};

// Lets threads that wake up run before the calling one, for good: what fails is ignored. The main thread of a process is
// left as it is.
void yield_to_wakers();

// Binds the calling thread for good; what fails is ignored, since binding only saves time.
void bind_thread(int processor);

}  // namespace warpline
#endif
