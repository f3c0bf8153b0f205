// Layer and RMS norm of rows, with the residual additions that come before it fused in: see wl_norm in commands.h.
//
// Bound by memory: each operand is read once and each result written once, (2 + adds) * width * 4 bytes a row; whatever
// is done to a row again is done in first-level cache.
#include "norm-row.h"

#include "../core/operation.h"

namespace warpline::WL_LEVEL {
namespace {

// Rounded after each addition, from the left.
void add_up(const wl_norm& n, int64_t offset, float* out) {
  each_vector(n.width, [&](int64_t i, auto lanes) {
    vf total = load(n.x + offset + i, lanes);
    for (int32_t a = 0; a < n.add_count; a++) total = total + load(n.adds[a] + offset + i, lanes);
    store(out + i, total, lanes);
  });
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_norm& n = command.norm;
  const Normalisation normalisation = {n.kind, n.epsilon, n.weight, n.bias};
  const Range rows = context.share(rows_of(command, *context.step));
  for (int64_t r = rows.first; r < rows.last; r++) {
    const int64_t offset = r * n.width;
    const float* row = n.x + offset;
    if (n.add_count > 0 || n.sum) {
      float* sum = (n.sum ? n.sum : n.out) + offset;
      add_up(n, offset, sum);
      row = sum;
    }
    normalise(row, n.width, normalisation, n.out + offset);
  }
  return WL_OK;
}

}  // namespace

extern const Operation kNorm;
const Operation kNorm = {run, nullptr};

}  // namespace warpline::WL_LEVEL
