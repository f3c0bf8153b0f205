#include "arena.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__linux__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>

#define WL_MMAP 1
#elif defined(_WIN32)
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>
#endif

namespace warpline {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(WL_MMAP)
size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

// Maps a huge page more than asked for and gives back what is beyond the aligned part. Only whole huge pages are
// advised: the last, partial one would take memory that nobody asked for.
void* map_huge(size_t bytes) {
  const size_t wanted = round_up(bytes, page_bytes());
  if (wanted < bytes || wanted + kHugePage < wanted) return nullptr;
  void* mapped = mmap(nullptr, wanted + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(mapped);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(start) % kHugePage) % kHugePage;
  if (before) munmap(start, before);
  if (before < kHugePage) munmap(start + before + wanted, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(start + before, wanted / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return start + before;
}
#elif defined(_WIN32)
// Reserves a huge page more than asked for and takes memory for the aligned part only.
void* map_huge(size_t bytes) {
  if (bytes + kHugePage < bytes) return nullptr;
  void* reserved = VirtualAlloc(nullptr, bytes + kHugePage, MEM_RESERVE, PAGE_READWRITE);
  if (!reserved) return nullptr;
  void* start = reinterpret_cast<void*>(round_up(reinterpret_cast<uintptr_t>(reserved), kHugePage));
  if (VirtualAlloc(start, bytes, MEM_COMMIT, PAGE_READWRITE)) return start;
  VirtualFree(reserved, 0, MEM_RELEASE);
  return nullptr;
}

void unmap_huge(void* memory) {
  MEMORY_BASIC_INFORMATION found;
  if (VirtualQuery(memory, &found, sizeof found)) VirtualFree(found.AllocationBase, 0, MEM_RELEASE);
}
#endif

void* aligned(size_t bytes) {
  const size_t wanted = round_up(bytes, kLine);
  if (wanted < bytes) return nullptr;
#if defined(_WIN32)
  void* memory = _aligned_malloc(wanted, kLine);
#else
  void* memory = std::aligned_alloc(kLine, wanted);
#endif
  if (memory) std::memset(memory, 0, wanted);
  return memory;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes == 0) bytes = 1;
#if defined(WL_MMAP) || defined(_WIN32)
  if (bytes >= kHugePage) return map_huge(bytes);
#endif
  return aligned(bytes);
}

void release(void* memory, size_t bytes) {
  (void)bytes;
  if (!memory) return;
#if defined(WL_MMAP)
  if (bytes >= kHugePage) {
    munmap(memory, round_up(bytes, page_bytes()));
    return;
  }
#endif
#if defined(_WIN32)
  if (bytes >= kHugePage) {
    unmap_huge(memory);
    return;
  }
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

bool Arena::reserve(size_t bytes) {
  if (bytes <= bytes_) return true;
  release(memory_, bytes_);
  memory_ = allocate(bytes);
  bytes_ = memory_ ? bytes : 0;
  return memory_ != nullptr;
}

}  // namespace warpline
