// How the work of a product is cut, the same on every thread.
#ifndef WARPLINE_PLAN_H
#define WARPLINE_PLAN_H

#include "../../commands.h"
#include "tile.h"

namespace warpline::WL_LEVEL {

// A work item is one panel (a gate's and its up-projection's, where gated) times one span of rows.
struct Plan {
  Operand operand;
  int64_t panels;  // work items along the outputs
  int64_t spans;   // and along the rows
  int64_t parts;   // panels of an item
  bool alone;      // every thread converts x for itself
  // Scratch memory: what each thread has of its own, then the operand where it is shared.
  int64_t sums_bytes;  // of one part
  int64_t thread_bytes;
  int64_t operand_bytes;

  WL_INLINE_MEMBER int64_t items() const { return panels * spans; }
  WL_INLINE_MEMBER int64_t span_start(int64_t span) const { return operand.rows * span / spans; }
  WL_INLINE_MEMBER int64_t scratch_bytes(int64_t threads) const {
    return thread_bytes * threads + (alone ? 0 : operand_bytes);
  }
};

bool valid(const wl_linear& linear);
// For at least one row.
Plan plan_of(const wl_linear& linear, int64_t rows, int32_t threads);

}  // namespace warpline::WL_LEVEL
#endif
