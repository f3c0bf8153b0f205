// Reads memory once and keeps nothing: the bandwidth that kernels which only read are held against.
#include "common/launch.cuh"
#include "common/memory.cuh"
#include "common/types.cuh"

struct ReadParams {
    const void* x;
    u32* out;
    i64 count;
};

constexpr int IN_FLIGHT = 8;

/// `count` pieces of 16 bytes, a multiple of blocks * threads * IN_FLIGHT.
extern "C" __global__ void read_once(const __grid_constant__ ReadParams p) {
    start_next();
    wait_for_inputs();
    const char* x = static_cast<const char*>(p.x);
    const i64 step = i64(gridDim.x) * blockDim.x;
    u32 mixed = 0;
    for (i64 i = i64(blockIdx.x) * blockDim.x + threadIdx.x; i < p.count; i += step * IN_FLIGHT) {
        Words4 v[IN_FLIGHT];
#pragma unroll
        for (int j = 0; j < IN_FLIGHT; j++) v[j] = load_stream(x + (i + j * step) * 16);
#pragma unroll
        for (int j = 0; j < IN_FLIGHT; j++) mixed ^= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
    }
    // Never true, but the compiler cannot know.
    if (mixed == 0x12345678u) *p.out = mixed;
}
