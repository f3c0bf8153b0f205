// The table of function pointers that a level provides (kernels/table.cc) and the level in use.
#ifndef WARPLINE_CPU_KERNELS_H
#define WARPLINE_CPU_KERNELS_H

#include "operation.h"

namespace warpline {

struct Kernels {
  // By wl_opcode; `run` is null where there is no such operation.
  Operation operations[WL_OPCODES];
  size_t (*packed_bytes)(const wl_matrix& matrix);
  int32_t (*pack)(const wl_matrix& matrix, int64_t first, int64_t count, const wl_rows& rows);
  int32_t (*unpack)(const wl_matrix& matrix, int64_t first, int64_t count, float* rows);
};

// Of the level in use; null where WARPLINE_CPU names none that can run.
const Kernels* kernels();

}  // namespace warpline
#endif
