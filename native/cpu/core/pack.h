// Packing on all threads of a pool.
#ifndef WARPLINE_CPU_PACK_H
#define WARPLINE_CPU_PACK_H

#include "kernels.h"
#include "thread-pool.h"

namespace warpline {

// See wl_pack; what it checks has been checked. A null pool: the caller's thread alone.
void pack(ThreadPool* pool, const wl_matrix& matrix, int64_t first, int64_t count, const wl_rows& rows);

}  // namespace warpline
#endif
