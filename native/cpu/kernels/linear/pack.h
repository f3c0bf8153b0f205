// Reading and writing packed matrices; see abi.h for what the first three promise.
#ifndef WARPLINE_PACK_H
#define WARPLINE_PACK_H

#include "panel.h"

namespace warpline::WL_LEVEL {

size_t packed_bytes(const wl_matrix& matrix);
int32_t pack(const wl_matrix& matrix, int64_t first, int64_t count, const wl_rows& rows);
int32_t unpack(const wl_matrix& matrix, int64_t first, int64_t count, float* rows);

// One row of W as f32 [inputs]: embedding tables that double as the head are read where they are packed.
void unpack_row(const wl_matrix& matrix, int64_t output, float* row);

}  // namespace warpline::WL_LEVEL
#endif
