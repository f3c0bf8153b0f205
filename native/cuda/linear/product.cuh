// What the matrix products share: their parameters, which rows of the weight a tile holds, and what becomes of a sum.
//
//   sum[m, n] = sum over k of x[m, k] * weight[n, k]
//   plain:  out[m, n] = cap(scale * (activation(sum + bias[n]) * multiply[m, n] + residual[m, n]))
//   gated:  out[m, f] = activation(sum[m, f] + bias[f]) * (sum[m, F + f] + bias[F + f])
//
// weight [N, K] or, gated, [2 F, K] with the gate's rows first; x [M, K]; bias f32 [N or 2 F]; out, multiply, residual
// [M, N or F]. Only a `linear` has activation, multiply, residual, and only `logits` have scale and cap.
#pragma once
#include "common/activation.cuh"
#include "common/launch.cuh"
#include "common/memory.cuh"
#include "common/mma.cuh"
#include "common/types.cuh"
#include "common/warp.cuh"

struct LinearParams {
    const void* weight;
    const void* x;
    const float* bias;
    const void* multiply;
    const void* residual;
    void* out;
    // f32 [splits, rows, N or 2 F]: where sums over parts of K go when another kernel adds them up; else null.
    float* partial;
    i32 rows;
    i32 inputs;
    // Columns of out.
    i32 outputs;
    // Elements from one row to the next of x; of out, multiply and residual.
    i32 x_stride;
    i32 out_stride;
    i32 activation;
    i32 gated;
    // out is f32, whatever the type of x.
    i32 wide;
    float scale;
    // 0: none.
    float soft_cap;
    // K is summed in parts of `slice` inputs, and the parts' sums are added up in their order.
    i32 splits;
    i32 slice;
    // skinny only: blocks (clusters of `splits` blocks) that share the rows of the weight; inputs of x in shared memory at once;
    // stages of the weight to fetch into the second-level cache before the inputs are there.
    i32 groups;
    i32 x_chunk;
    i32 prefetch;
};

template <class T>
__device__ __forceinline__ float element(const void* base, i64 index) {
    return to_float(static_cast<const T*>(base)[index]);
}

template <class T>
__device__ __forceinline__ void put(const LinearParams& p, i64 index, float value) {
    if (p.wide) static_cast<float*>(p.out)[index] = value;
    else static_cast<T*>(p.out)[index] = from_float<T>(value);
}

/// From sums to one number of out: `up` counts where gated only.
template <class T>
__device__ __forceinline__ void finish(const LinearParams& p, float sum, float up, i32 row, i32 column) {
    const i64 at = i64(row) * p.out_stride + column;
    if (p.bias) sum += p.bias[column];
    float value = activate(p.activation, sum);
    if (p.gated) {
        if (p.bias) up += p.bias[p.outputs + column];
        value *= up;
    }
    if (p.multiply) value *= element<T>(p.multiply, at);
    if (p.residual) value += element<T>(p.residual, at);
    value *= p.scale;
    if (p.soft_cap != 0.f) value = p.soft_cap * tanhf(value / p.soft_cap);
    put<T>(p, at, value);
}

/// Tiles of 16 weight rows give 16 columns of out, or 8 where gated: then 8 rows of the gate stand above the same 8 of the
/// up-projection, so that one lane of an mma holds both (d[0..1] and d[2..3]).
__device__ __forceinline__ i32 columns_of_tile(const LinearParams& p) { return p.gated ? 8 : 16; }

/// Rows of the weight in all.
__device__ __forceinline__ i32 weight_rows(const LinearParams& p) { return p.gated ? 2 * p.outputs : p.outputs; }

/// The weight's row that stands in row `row` of the tile that begins at column `first` of out, -1 past the end.
__device__ __forceinline__ i32 weight_row(const LinearParams& p, i32 first, i32 row) {
    const i32 column = first + (p.gated ? (row >> 4) * 8 + (row & 7) : row);
    if (column >= p.outputs) return -1;
    return p.gated && (row & 8) ? p.outputs + column : column;
}
