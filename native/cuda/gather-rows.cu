// out[r] = x[rows[r]]. x: [sources, width], out: [r, width] of T.
//
// Bound by memory: 2 * width * sizeof(T) bytes a row. A block copies a row, or a part of a wide one: by 16 bytes where a row is a
// multiple of that, else number by number.
#include "common/launch.cuh"
#include "common/memory.cuh"

struct GatherRowsParams {
    const void* x;
    const i32* rows;
    void* out;
    i32 width;
    i32 sources;
};

template <class T>
__device__ __forceinline__ void gather_rows(const GatherRowsParams& p) {
    start_next();
    wait_for_inputs();
    const i64 r = blockIdx.x;
    const i32 asked = p.rows[r];
    const i64 source = asked < 0 ? 0 : asked >= p.sources ? p.sources - 1 : asked;
    const char* from = static_cast<const char*>(p.x) + source * p.width * i64(sizeof(T));
    char* to = static_cast<char*>(p.out) + r * p.width * i64(sizeof(T));
    const int first = blockIdx.y * blockDim.x + threadIdx.x;
    const int threads = gridDim.y * blockDim.x;
    if (p.width * int(sizeof(T)) % 16 == 0) {
        const int vectors = p.width * int(sizeof(T)) / 16;
        for (int v = first; v < vectors; v += threads) store16(to + i64(v) * 16, load16(from + i64(v) * 16));
    } else {
        for (int i = first; i < p.width; i += threads) reinterpret_cast<T*>(to)[i] = reinterpret_cast<const T*>(from)[i];
    }
}

#define GATHER(NAME, T) \
    extern "C" __global__ void gather_rows_##NAME(const __grid_constant__ GatherRowsParams p) { gather_rows<T>(p); }
GATHER(f32, float)
GATHER(f16, f16)
GATHER(bf16, bf16)
