// out[r] = x[rows[r]]: the tokens whose logits are wanted. Bound by memory, and rows are few.
#include <string.h>

#include "../core/operation.h"

namespace warpline::WL_LEVEL {
namespace {

int32_t run(const wl_command& command, const Context& context) {
  const wl_gather_rows& g = command.gather_rows;
  const Range rows = context.share(rows_of(command, *context.step));
  for (int64_t r = rows.first; r < rows.last; r++) {
    memcpy(g.out + r * g.width, g.x + g.rows[r] * g.width, static_cast<size_t>(g.width) * sizeof(float));
  }
  return WL_OK;
}

}  // namespace

extern const Operation kGatherRows;
const Operation kGatherRows = {run, nullptr};

}  // namespace warpline::WL_LEVEL
