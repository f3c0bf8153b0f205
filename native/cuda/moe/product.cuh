// What the three products of experts share. An expert's rows are those of the tokens that chose it; each is one "pick", a token's k-th
// choice, numbered token * top_k + k. A product reads row `pick / top_k` of x on the way up, and the pick's own row on the way down;
// where picks are sorted by expert, a row's place in that order stands for it in all buffers between the products.
//   up:   out[row, n] = activation(x W_e^T + b_e), or activation(gate) * up where gated: the gate's rows of W_e come first
//   down: out[row, n] = x W_e^T + b_e, in float: the weighted sum over a token's experts is still to come
// weight: [experts, outputs, or 2 * outputs gated, inputs] of T; bias: float [experts, as many].
#pragma once
#include "common/activation.cuh"
#include "common/launch.cuh"
#include "common/vector.cuh"
#include "common/warp.cuh"

struct MoeProductParams {
    const void* x;
    const void* weight;
    const float* bias;
    void* out;
    const i32* chosen;  // [picks]: experts
    const i32* starts;  // [experts + 1]: sorted picks
    const i32* order;   // [picks]: the pick at each place; null on the way down
    i32 picks;
    i32 experts;
    i32 top_k;  // 1 on the way down
    i32 inputs;
    i32 outputs;
    i32 activation;
};

template <bool GATED>
__device__ __forceinline__ i64 rows_of_weight(const MoeProductParams& p) {
    return i64(p.outputs) * (GATED ? 2 : 1);
}

template <class T, bool GATED>
__device__ __forceinline__ const T* weight_of(const MoeProductParams& p, i32 expert) {
    return static_cast<const T*>(p.weight) + expert * rows_of_weight<GATED>(p) * p.inputs;
}

/// `plain` is the product of the row itself, or of the gate's row where `raised` is that of the other half.
template <bool GATED>
__device__ __forceinline__ float finished(const MoeProductParams& p, i32 expert, i32 n, float plain, float raised) {
    if (p.bias) {
        const float* bias = p.bias + expert * rows_of_weight<GATED>(p);
        plain += bias[n];
        if (GATED) raised += bias[p.outputs + n];
    }
    const float active = activate(p.activation, plain);
    return GATED ? active * raised : active;
}

/// A tile of an expert's sorted rows; `expert` is -1 where a block has none.
struct Tile {
    i32 expert;
    i32 first;
    i32 count;
};
template <int ROWS>
__device__ __forceinline__ Tile tile_of(const MoeProductParams& p, i32 index) {
    i32 start = p.starts[0];
    for (i32 e = 0; e < p.experts; e++) {
        const i32 end = p.starts[e + 1];
        const i32 tiles = ceil_div(end - start, ROWS);
        if (index < tiles) return {e, start + index * ROWS, min(ROWS, end - start - index * ROWS)};
        index -= tiles;
        start = end;
    }
    return {-1, 0, 0};
}

__device__ __forceinline__ i64 source_of(const MoeProductParams& p, i32 place) {
    return p.order ? p.order[place] / p.top_k : place;
}
