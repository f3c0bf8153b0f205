// What the forms of the norm kernel share: parameters, and a part of a row as count, sum and squared deviations.
#pragma once
#include "common/launch.cuh"
#include "common/vector.cuh"
#include "common/warp.cuh"

enum NormKind : i32 { LAYER_NORM = 1, RMS_NORM = 2 };

struct NormParams {
    const void* x;
    const void* add0;
    const void* add1;
    const void* add2;
    const void* add3;
    const void* add4;
    const void* add5;
    const void* add6;
    const void* add7;
    const float* weight;
    const float* bias;
    void* sum;
    void* out;
    i32 rows;
    i32 width;
    i32 add_count;
    i32 kind;
    float epsilon;
};

__device__ __forceinline__ const void* add_of(const NormParams& p, int i) {
    switch (i) {
        case 0: return p.add0;
        case 1: return p.add1;
        case 2: return p.add2;
        case 3: return p.add3;
        case 4: return p.add4;
        case 5: return p.add5;
        case 6: return p.add6;
        default: return p.add7;
    }
}

__device__ __forceinline__ const void* at_row(const void* data, i64 bytes) { return static_cast<const char*>(data) + bytes; }
__device__ __forceinline__ void* at_row(void* data, i64 bytes) { return static_cast<char*>(data) + bytes; }

template <int N>
__device__ __forceinline__ void load_affine(const NormParams& p, int vector, float (&weight)[N], float (&bias)[N]) {
    if (p.weight) {
        load_weights<N>(p.weight, i64(vector) * N, weight);
    } else {
#pragma unroll
        for (int j = 0; j < N; j++) weight[j] = 1;
    }
    if (p.bias) {
        load_weights<N>(p.bias, i64(vector) * N, bias);
    } else {
#pragma unroll
        for (int j = 0; j < N; j++) bias[j] = 0;
    }
}

/// `deviations`: the sum of squared distances from the mean; of an RMS norm, from 0, and `sum` is 0.
struct Moments {
    float count;
    float sum;
    float deviations;
};

/// Chan et al.: the distance of two parts' means, weighted, is what their deviations lack. Symmetric, so that both lanes of a
/// butterfly get the same bits: products are rounded before they are subtracted.
__device__ __forceinline__ Moments joined(Moments a, Moments b) {
    const float count = a.count + b.count;
    const float apart = __fsub_rn(__fmul_rn(a.sum, b.count), __fmul_rn(b.sum, a.count));
    const float scale = a.count * b.count * count;
    const float between = scale > 0 ? __fdividef(apart * apart, scale) : 0;
    return {count, a.sum + b.sum, (a.deviations + b.deviations) + between};
}

template <int N>
__device__ __forceinline__ Moments moments_of(const float (&x)[N], i32 kind) {
    float sum = 0;
    float deviations = 0;
    if (kind == LAYER_NORM) {
#pragma unroll
        for (int j = 0; j < N; j++) sum += x[j];
    }
    const float mean = sum / N;
#pragma unroll
    for (int j = 0; j < N; j++) deviations += (x[j] - mean) * (x[j] - mean);
    return {float(N), sum, deviations};
}

__device__ __forceinline__ Moments over_warp(Moments m) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) {
        m = joined(m, {__shfl_xor_sync(ALL_LANES, m.count, step), __shfl_xor_sync(ALL_LANES, m.sum, step),
                       __shfl_xor_sync(ALL_LANES, m.deviations, step)});
    }
    return m;
}

/// Of a block whose warps each hold their own moments in all lanes: the only synchronisation.
__device__ __forceinline__ Moments over_block(Moments m) {
    __shared__ Moments warps[WARP];
    if (lane_id() == 0) warps[warp_id()] = m;
    __syncthreads();
    const int count = blockDim.x / WARP;
    return over_warp(lane_id() < count ? warps[lane_id()] : Moments{0, 0, 0});
}

struct Scaling {
    float mean;
    float factor;
};

__device__ __forceinline__ Scaling scaling_of(Moments m, const NormParams& p) {
    const float mean = p.kind == LAYER_NORM ? m.sum / m.count : 0.f;
    return {mean, 1.f / sqrtf(m.deviations / m.count + p.epsilon)};
}
