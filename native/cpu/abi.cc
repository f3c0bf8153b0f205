// The entry points of abi.h that only hand on; wl_run is in core/run.cc, levels are in core/dispatch.cc.
#include "abi.h"

#include "core/affinity.h"
#include "core/kernels.h"
#include "core/pack.h"
#include "core/thread-pool.h"

using namespace warpline;

namespace {

const char* const kErrors[] = {
    "no error",
    "a command is unknown or contradicts itself",
    "a size of the step is out of range",
    "out of memory",
    "the system refused to start a thread",
    "WARPLINE_CPU is not the name of a dispatch level",
    "this machine or build cannot run the dispatch level asked for",
    "a weight matrix has an impossible shape, storage, range or type of rows",
};

ThreadPool* of(const wl_pool* pool) { return reinterpret_cast<ThreadPool*>(const_cast<wl_pool*>(pool)); }

bool covers(const wl_matrix* matrix, int64_t first, int64_t count) {
  return first >= 0 && count >= 0 && first <= matrix->outputs && count <= matrix->outputs - first;
}

}  // namespace

const char* wl_error_text(int32_t error) {
  const int32_t known = sizeof kErrors / sizeof kErrors[0];
  return error < 0 || error >= known ? "an unknown error" : kErrors[error];
}

int32_t wl_abi_version(void) { return WL_ABI_VERSION; }
int32_t wl_command_bytes(void) { return sizeof(wl_command); }
int32_t wl_step_bytes(void) { return sizeof(wl_step); }

void* wl_allocate(size_t bytes) { return allocate(bytes); }
void wl_free(void* memory, size_t bytes) { release(memory, bytes); }

int32_t wl_default_threads(void) { return default_threads(); }

wl_pool* wl_pool_create(int32_t threads) { return reinterpret_cast<wl_pool*>(ThreadPool::create(threads).release()); }
void wl_pool_destroy(wl_pool* pool) { delete of(pool); }
int32_t wl_pool_threads(const wl_pool* pool) { return of(pool)->threads(); }

size_t wl_packed_bytes(const wl_matrix* matrix) {
  const Kernels* table = kernels();
  return table ? table->packed_bytes(*matrix) : 0;
}

int32_t wl_pack(wl_pool* pool, const wl_matrix* matrix, int64_t first, int64_t count, const wl_rows* rows) {
  if (wl_packed_bytes(matrix) == 0 || !covers(matrix, first, count)) return WL_BAD_MATRIX;
  if (rows->type < 0 || rows->type >= WL_ROWS_TYPES) return WL_BAD_MATRIX;
  pack(of(pool), *matrix, first, count, *rows);
  return WL_OK;
}

int32_t wl_unpack(const wl_matrix* matrix, int64_t first, int64_t count, float* rows) {
  if (wl_packed_bytes(matrix) == 0 || !covers(matrix, first, count)) return WL_BAD_MATRIX;
  return kernels()->unpack(*matrix, first, count, rows);
}
