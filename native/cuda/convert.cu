// y[i] = x[i], from float32 to a type: weights as they are loaded. Bound by reading 4 and writing sizeof(T) bytes an element;
// loading is bound by the bus long before.
#include "common/launch.cuh"
#include "common/types.cuh"

struct ConvertParams {
    const float* x;
    void* y;
    i64 count;
};

constexpr int PER_THREAD = 8;

template <class T>
__device__ void convert(const ConvertParams& p) {
    start_next();
    wait_for_inputs();
    const i64 first = i64(blockIdx.x) * blockDim.x * PER_THREAD + threadIdx.x;
#pragma unroll
    for (int i = 0; i < PER_THREAD; i++) {
        const i64 at = first + i64(i) * blockDim.x;
        if (at < p.count) static_cast<T*>(p.y)[at] = from_float<T>(p.x[at]);
    }
}

extern "C" __global__ void convert_f32(const __grid_constant__ ConvertParams p) { convert<float>(p); }
extern "C" __global__ void convert_f16(const __grid_constant__ ConvertParams p) { convert<f16>(p); }
extern "C" __global__ void convert_bf16(const __grid_constant__ ConvertParams p) { convert<bf16>(p); }
