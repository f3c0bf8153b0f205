// Three ways of layer norm, to be timed beside norm.cu on the same rows (bf16, weight and bias given, width a multiple of 8, no adds):
//   two_reductions  a block a row; the mean is summed over the block first, then the deviations from it: two synchronisations each
//   warp_level      a warp a row, which no synchronisation needs, at the price of long rows on few lanes
//   one_pass        a block a row; sum and sum of squares together, one reduction: E[x^2] - E[x]^2 loses digits where the mean is large
// All read the row again from the first-level cache in place of registers, as kernels did that had to take any width.
#include "norm/row.cuh"

constexpr int N = PER_16_BYTES<bf16>;

template <class Visit>
__device__ __forceinline__ void each_vector(const NormParams& p, i64 row, int own, int threads, Visit visit) {
    for (int v = own; v < p.width / N; v += threads) {
        float x[N];
        load_vector<bf16>(at_row(p.x, row * p.width * 2), v, x);
        visit(v, x);
    }
}

__device__ __forceinline__ void write_row(const NormParams& p, i64 row, int own, int threads, float mean, float variance) {
    const float factor = 1.f / sqrtf(variance + p.epsilon);
    each_vector(p, row, own, threads, [&](int v, const float (&x)[N]) {
        float weight[N], bias[N], y[N];
        load_affine<N>(p, v, weight, bias);
#pragma unroll
        for (int j = 0; j < N; j++) y[j] = (x[j] - mean) * factor * weight[j] + bias[j];
        store_vector<bf16>(at_row(p.out, row * p.width * 2), v, y);
    });
}

/// Over the block, in every thread; `slots` is free to be written again after the next synchronisation.
__device__ __forceinline__ float block_sum(float x, float* slots) {
    x = warp_sum(x);
    if (lane_id() == 0) slots[warp_id()] = x;
    __syncthreads();
    return warp_sum(lane_id() < int(blockDim.x / WARP) ? slots[lane_id()] : 0.f);
}

extern "C" __global__ void __launch_bounds__(1024, 1) norm_two_reductions_bf16(const __grid_constant__ NormParams p) {
    __shared__ float slots[2][WARP];
    start_next();
    wait_for_inputs();
    const i64 row = blockIdx.x;
    float sum = 0;
    each_vector(p, row, threadIdx.x, blockDim.x, [&](int, const float (&x)[N]) {
        for (int j = 0; j < N; j++) sum += x[j];
    });
    const float mean = block_sum(sum, slots[0]) / p.width;
    float deviations = 0;
    each_vector(p, row, threadIdx.x, blockDim.x, [&](int, const float (&x)[N]) {
        for (int j = 0; j < N; j++) deviations += (x[j] - mean) * (x[j] - mean);
    });
    write_row(p, row, threadIdx.x, blockDim.x, mean, block_sum(deviations, slots[1]) / p.width);
}

extern "C" __global__ void __launch_bounds__(1024, 1) norm_warp_level_bf16(const __grid_constant__ NormParams p) {
    start_next();
    wait_for_inputs();
    const i64 row = i64(blockIdx.x) * (blockDim.x / WARP) + warp_id();
    if (row >= p.rows) return;
    float sum = 0;
    each_vector(p, row, lane_id(), WARP, [&](int, const float (&x)[N]) {
        for (int j = 0; j < N; j++) sum += x[j];
    });
    const float mean = warp_sum(sum) / p.width;
    float deviations = 0;
    each_vector(p, row, lane_id(), WARP, [&](int, const float (&x)[N]) {
        for (int j = 0; j < N; j++) deviations += (x[j] - mean) * (x[j] - mean);
    });
    write_row(p, row, lane_id(), WARP, mean, warp_sum(deviations) / p.width);
}

extern "C" __global__ void __launch_bounds__(1024, 1) norm_one_pass_bf16(const __grid_constant__ NormParams p) {
    __shared__ float sums[WARP];
    __shared__ float squares[WARP];
    start_next();
    wait_for_inputs();
    const i64 row = blockIdx.x;
    float sum = 0;
    float square = 0;
    each_vector(p, row, threadIdx.x, blockDim.x, [&](int, const float (&x)[N]) {
        for (int j = 0; j < N; j++) {
            sum += x[j];
            square += x[j] * x[j];
        }
    });
    sum = warp_sum(sum);
    square = warp_sum(square);
    if (lane_id() == 0) {
        sums[warp_id()] = sum;
        squares[warp_id()] = square;
    }
    __syncthreads();
    const bool own = lane_id() < int(blockDim.x / WARP);
    const float mean = warp_sum(own ? sums[lane_id()] : 0.f) / p.width;
    const float variance = warp_sum(own ? squares[lane_id()] : 0.f) / p.width - mean * mean;
    write_row(p, row, threadIdx.x, blockDim.x, mean, fmaxf(variance, 0.f));
}
