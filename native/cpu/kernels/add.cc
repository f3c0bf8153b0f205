// out = x + y, element by element. Bound by memory: 12 bytes an element. Passes fuse it into norms and products
// wherever they can.
#include "../core/operation.h"
#include "vectors.h"

namespace warpline::WL_LEVEL {
namespace {

int32_t run(const wl_command& command, const Context& context) {
  const wl_add& a = command.add;
  const Range part = context.share(rows_of(command, *context.step) * a.width);
  each_vector(part.last - part.first, [&](int64_t i, auto lanes) {
    const int64_t at = part.first + i;
    store(a.out + at, load(a.x + at, lanes) + load(a.y + at, lanes), lanes);
  });
  return WL_OK;
}

}  // namespace

extern const Operation kAdd;
const Operation kAdd = {run, nullptr};

}  // namespace warpline::WL_LEVEL
