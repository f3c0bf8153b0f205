// Copy-on-write: before a step, blocks of every layer's caches are copied for sequences that part ways. Bound by
// memory. No block is read and written by two copies of a step, so the order does not matter.
#include <string.h>

#include "../core/operation.h"

namespace warpline::WL_LEVEL {
namespace {

int32_t run(const wl_command& command, const Context& context) {
  const wl_copy_blocks& c = command.copy_blocks;
  const int64_t copies = rows_of(command, *context.step);
  const Range part = context.share(copies * c.count);
  for (int64_t i = part.first; i < part.last; i++) {
    const wl_cache& cache = c.caches[i / copies];
    const int32_t* pair = c.pairs + i % copies * 2;
    uint8_t* blocks = static_cast<uint8_t*>(cache.data);
    const int64_t bytes = cache.block_bytes;
    memcpy(blocks + pair[1] * bytes, blocks + pair[0] * bytes, static_cast<size_t>(bytes));
  }
  return WL_OK;
}

}  // namespace

extern const Operation kCopyBlocks;
const Operation kCopyBlocks = {run, nullptr};

}  // namespace warpline::WL_LEVEL
