// y[i] = mean + scale * sqrt(3) * uniform(-1, 1), from a hash of (seed, first + i): weights for benchmarks of models that one does not
// have. The variance is scale^2. src/weights/random-weights.ts makes the same numbers on the host. Bound by writing sizeof(T) bytes.
#include "common/launch.cuh"
#include "common/types.cuh"

struct RandomParams {
    void* y;
    i64 first;
    i64 count;
    i32 seed;
    float mean;
    /// scale * sqrt(3)
    float spread;
};

constexpr int PER_THREAD = 8;

/// Finaliser of MurmurHash3 (Appleby).
__device__ __forceinline__ u32 mix(u32 x) {
    x = (x ^ (x >> 16)) * 0x85ebca6bu;
    x = (x ^ (x >> 13)) * 0xc2b2ae35u;
    return x ^ (x >> 16);
}

template <class T>
__device__ void fill(const RandomParams& p) {
    start_next();
    wait_for_inputs();
    const i64 first = i64(blockIdx.x) * blockDim.x * PER_THREAD + threadIdx.x;
#pragma unroll
    for (int i = 0; i < PER_THREAD; i++) {
        const i64 at = first + i64(i) * blockDim.x;
        const u64 index = u64(p.first + at);
        const u32 bits = mix(u32(index) ^ mix(u32(p.seed) ^ u32(index >> 32)));
        const float uniform = __fadd_rn(float(bits) * 0x1p-31f, -1.f);
        if (at < p.count) static_cast<T*>(p.y)[at] = from_float<T>(__fadd_rn(p.mean, __fmul_rn(p.spread, uniform)));
    }
}

extern "C" __global__ void random_f32(const __grid_constant__ RandomParams p) { fill<float>(p); }
extern "C" __global__ void random_f16(const __grid_constant__ RandomParams p) { fill<f16>(p); }
extern "C" __global__ void random_bf16(const __grid_constant__ RandomParams p) { fill<bf16>(p); }
