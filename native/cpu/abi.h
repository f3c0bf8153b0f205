// The C ABI of libwarpline-cpu: what TypeScript calls through koffi. Commands, the operations' parameters, are in
// commands.h; every function here is plain C with fixed-size types.
//
// Life of a model: wl_level -> wl_packed_bytes, wl_allocate, wl_pack for each weight -> an array of wl_command written
// once -> wl_pool_create -> for each step: fill a wl_step and the input buffers, wl_run -> wl_pool_destroy, wl_free.
//
// Threads: wl_pack and wl_unpack may run at once on disjoint rows; wl_run on one pool is serialised by a lock inside,
// so that several models may share a pool. All else is safe from any thread. Nothing here throws or aborts.
#ifndef WARPLINE_CPU_ABI_H
#define WARPLINE_CPU_ABI_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define WL_API __declspec(dllexport)
#else
#define WL_API __attribute__((visibility("default")))
#endif

// Raised whenever a struct, an enum or a function changes its meaning.
#define WL_ABI_VERSION 2

#ifdef __cplusplus
extern "C" {
#endif

// What a call returns: 0, or why it did nothing (wl_run: why it stopped).
typedef enum wl_error {
  WL_OK = 0,
  WL_BAD_COMMAND = 1,       // unknown opcode, or parameters that contradict each other
  WL_BAD_SIZE = 2,          // a size of the step is negative, or larger than its operation can hold
  WL_OUT_OF_MEMORY = 3,
  WL_NO_THREADS = 4,        // the system refused to start a thread
  WL_UNKNOWN_LEVEL = 5,     // not a level's name
  WL_UNSUPPORTED_LEVEL = 6, // a level that this machine, or this build, cannot run
  WL_BAD_MATRIX = 7         // an impossible shape, storage or range of rows
} wl_error;

// A constant English phrase, for messages.
WL_API const char* wl_error_text(int32_t error);
WL_API int32_t wl_abi_version(void);
// sizeof(wl_command), sizeof(wl_step): TypeScript checks its own layout against them.
WL_API int32_t wl_command_bytes(void);
WL_API int32_t wl_step_bytes(void);

// ---- Dispatch -------------------------------------------------------------------------------------------------------

// The instruction sets that kernels are compiled for. Packed weights are read only by the level that packed them.
typedef enum wl_level_id {
  WL_PORTABLE = 0,   // the compiler's baseline, 128-bit vectors
  WL_AVX2 = 1,       // AVX2, FMA, F16C
  WL_AVX512 = 2,     // AVX-512 F, BW, VL, DQ and VNNI
  WL_AVX512BF16 = 3, // the same and AVX512_BF16
  WL_NEON = 4,       // arm64
  WL_LEVELS = 5
} wl_level_id;

// The level in use (a wl_level_id): the best that CPUID and the operating system (XGETBV) allow, or the one that the
// environment variable WARPLINE_CPU names. Negative: -WL_UNKNOWN_LEVEL or -WL_UNSUPPORTED_LEVEL for a bad WARPLINE_CPU.
WL_API int32_t wl_level(void);
// "portable", "avx2", "avx512", "avx512bf16", "neon"; null for a number that is no level.
WL_API const char* wl_level_name(int32_t level);
// 1 where this machine and this build can run the level.
WL_API int32_t wl_level_supported(int32_t level);
// Forces a level in place of WARPLINE_CPU (tests, benchmarks); null or "" goes back to the best one. To be called while
// nothing is packed and nothing runs.
WL_API int32_t wl_set_level(const char* name);

// ---- Memory ---------------------------------------------------------------------------------------------------------

// Zeroed memory aligned to 64 bytes; null when there is none left. From 2 MiB on it is aligned to 2 MiB, advised to
// huge pages, and only taken from the system as it is first written: many small matrices are better parts of one large
// block.
WL_API void* wl_allocate(size_t bytes);
// `bytes` as given to wl_allocate; null is ignored.
WL_API void wl_free(void* memory, size_t bytes);

// ---- Threads --------------------------------------------------------------------------------------------------------

typedef struct wl_pool wl_pool;

// Threads worth using: physical cores within the process' affinity mask, at most the control group's CPU quota.
WL_API int32_t wl_default_threads(void);

// A pool of `threads` threads, the caller of wl_run being the first of them, so `threads - 1` are started. 0 stands for
// wl_default_threads(). Where each thread can have a core of its own and no core is left over, threads are pinned one
// to a core (the caller during wl_run only); with fewer threads the system places them, since two pools would otherwise
// pile up on the same cores. Waiting threads spin for some microseconds, then yield, then sleep. Null when threads
// cannot be started.
WL_API wl_pool* wl_pool_create(int32_t threads);
WL_API void wl_pool_destroy(wl_pool* pool);
WL_API int32_t wl_pool_threads(const wl_pool* pool);

// ---- Weights --------------------------------------------------------------------------------------------------------

// How a matrix is stored. Scales of quantised types are chosen by wl_pack.
typedef enum wl_storage {
  WL_F32 = 0,
  WL_BF16 = 1,
  WL_F16 = 2,
  WL_INT8 = 3,       // one f32 scale an output channel
  WL_INT8_G32 = 4,   // one bf16 scale for 32 inputs of a channel
  WL_INT4_G32 = 5,   // 4 bits, one bf16 scale for 32 inputs of a channel
  WL_INT4_G128 = 6,  // 4 bits, one bf16 scale for 128 inputs of a channel
  WL_STORAGES = 7
} wl_storage;

// A packed weight matrix W [outputs, inputs] of a product y = x W^T. Layout: kernels/linear/panel.h.
typedef struct wl_matrix {
  const void* data; // packed, 64-byte aligned
  int32_t outputs;
  int32_t inputs;
  int32_t storage; // wl_storage
  int32_t gated;   // 1: rows 0 .. outputs/2 are the gate of the rows above them, interleaved panel by panel
} wl_matrix;

// Bytes of a packed matrix at the level in use (`data` is not looked at); 0 for an impossible shape.
WL_API size_t wl_packed_bytes(const wl_matrix* matrix);
// Packs rows first .. first + count of W, given row by row as f32, into matrix->data, which is written though const.
// Any order of calls, also at once from several threads, as long as together they cover every row once.
WL_API int32_t wl_pack(const wl_matrix* matrix, int64_t first, int64_t count, const float* rows);
// The inverse: what the kernels compute with, as f32 [count, inputs].
WL_API int32_t wl_unpack(const wl_matrix* matrix, int64_t first, int64_t count, float* rows);

// ---- Steps ----------------------------------------------------------------------------------------------------------

// Sizes that change from step to step, in the order of SymbolicSize in src/program/buffer.ts. A command names the one
// that gives its number of rows.
typedef enum wl_size {
  WL_TOKENS = 0,
  WL_ROWS = 1,
  WL_SEQUENCES = 2,
  WL_COPIES = 3,
  WL_BLOCKS = 4,
  WL_WIDTH = 5,
  WL_SIZES = 8
} wl_size;

// The header of a step: all that a step changes besides the contents of the input buffers.
typedef struct wl_step {
  int32_t size[WL_SIZES];
} wl_step;

struct wl_command; // commands.h

// Runs commands[0 .. count) in order on all threads of the pool, each after the one before is complete. Returns 0 or a
// wl_error, and then `failed`, if not null, holds the index of the command at fault (nothing after it has run; -1 where
// it is no command's fault). `nanoseconds`, if not null, receives the time of each command. Commands are not written.
WL_API int32_t wl_run(wl_pool* pool, const struct wl_command* commands, int32_t count, const wl_step* step,
                      uint64_t* nanoseconds, int32_t* failed);

#ifdef __cplusplus
}
#endif
#endif
