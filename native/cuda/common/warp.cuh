// Sums and maxima over lanes, warps and blocks, always in the same order, so that the same numbers give the same bits.
#pragma once
#include "types.cuh"

constexpr int WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

/// The sum over `WIDTH` neighbouring lanes, in every one of them.
template <int WIDTH = WARP>
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}

template <int WIDTH = WARP>
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, step));
    return x;
}

__device__ __forceinline__ int lane_id() { return threadIdx.x % WARP; }
__device__ __forceinline__ int warp_id() { return threadIdx.x / WARP; }
