// Aligned memory from the system, and one block of it that only grows.
#ifndef WARPLINE_CPU_ARENA_H
#define WARPLINE_CPU_ARENA_H

#include <cstddef>

namespace warpline {

// Zeroed, aligned as wl_allocate says; null when there is none.
void* allocate(size_t bytes);
void release(void* memory, size_t bytes);

class Arena {
 public:
  Arena() = default;
  ~Arena() { release(memory_, bytes_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes room for at least `bytes`, whose contents are undefined; false when there is no memory.
  bool reserve(size_t bytes);
  void* memory() const { return memory_; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace warpline
#endif
