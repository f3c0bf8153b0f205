// The matrix product for other operations (experts of a mixture): what wl_linear says, over `rows` rows.
#ifndef WARPLINE_LINEAR_H
#define WARPLINE_LINEAR_H

#include "../../core/operation.h"
#include "../../simd/simd.h"

namespace warpline::WL_LEVEL {

// Called by every thread of the pool with the same arguments. Uses context.scratch, as much as product_scratch says;
// meets the other threads within, but not at its end: a barrier must stand between the call and any use of `out`, of
// the scratch memory, or another call. Returns a wl_error, the same on all threads, before any barrier.
int32_t product(const wl_linear& linear, int64_t rows, const Context& context);
size_t product_scratch(const wl_linear& linear, int64_t rows, int32_t threads);

}  // namespace warpline::WL_LEVEL
#endif
