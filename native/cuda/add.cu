// out = x + y, element by element, `count` numbers of T; out may be x or y.
//
// Bound by memory: 3 * count * sizeof(T) bytes. Buffers begin at multiples of 16 bytes, so that rows need not be told apart:
// threads take vectors of 16 bytes in turns, and what is left of the last one number by number.
#include "common/launch.cuh"
#include "common/vector.cuh"

struct AddParams {
    const void* x;
    const void* y;
    void* out;
    i64 count;
};

template <class T>
__device__ __forceinline__ void add(const AddParams& p) {
    start_next();
    wait_for_inputs();
    constexpr int N = PER_16_BYTES<T>;
    const i64 vectors = p.count / N;
    const i64 first = i64(blockIdx.x) * blockDim.x + threadIdx.x;
    const i64 threads = i64(gridDim.x) * blockDim.x;
    for (i64 v = first; v < vectors; v += threads) {
        float x[N], y[N];
        load_vector<T>(p.x, v, x);
        load_vector<T>(p.y, v, y);
#pragma unroll
        for (int j = 0; j < N; j++) x[j] += y[j];
        store_vector<T>(p.out, v, x);
    }
    const i64 last = vectors * N + first;
    if (last < p.count) {
        const float sum = to_float(static_cast<const T*>(p.x)[last]) + to_float(static_cast<const T*>(p.y)[last]);
        static_cast<T*>(p.out)[last] = from_float<T>(sum);
    }
}

#define ADD(NAME, T) \
    extern "C" __global__ void add_##NAME(const __grid_constant__ AddParams p) { add<T>(p); }
ADD(f32, float)
ADD(f16, f16)
ADD(bf16, bf16)
