#include "pack.h"

#include <algorithm>
#include <atomic>

namespace warpline {
namespace {

// Rows that a thread takes at a time: whole panels of every level, but for the first and the last.
constexpr int64_t kUnit = 64;

struct Packing {
  const Kernels* kernels;
  const wl_matrix& matrix;
  const int64_t first;
  const int64_t last;
  const wl_rows& rows;
  std::atomic<int64_t> next;  // the row that nobody has taken yet

  void work() {
    for (;;) {
      int64_t from = next.load(std::memory_order_relaxed), to;
      do {
        if (from >= last) return;
        to = std::min((from / kUnit + 1) * kUnit, last);
      } while (!next.compare_exchange_weak(from, to, std::memory_order_relaxed));
      wl_rows part = rows;
      const int64_t bytes = rows.type == WL_ROWS_F32 ? 4 : 2;
      part.data = static_cast<const char*>(rows.data) + (from - first) * rows.row_stride * bytes;
      kernels->pack(matrix, from, to - from, part);
    }
  }
};

}  // namespace

void pack(ThreadPool* pool, const wl_matrix& matrix, int64_t first, int64_t count, const wl_rows& rows) {
  Packing packing{kernels(), matrix, first, first + count, rows, {first}};
  if (!pool) return packing.work();
  pool->run([](void*) { return int32_t{0}; }, [](void* p, int) { static_cast<Packing*>(p)->work(); }, &packing);
}

}  // namespace warpline
