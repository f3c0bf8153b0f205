// Products of experts by float multiply-adds: f32, and rows of 16-bit numbers that are no multiple of 16 bytes. Tiles of 32 rows by 64
// outputs pass through shared memory as floats, 16 inputs at a time; a thread sums two rows by four outputs, over ascending inputs.
#pragma once
#include "product.cuh"

constexpr int PLAIN_ROWS = 32;
constexpr int PLAIN_OUTPUTS = 64;
constexpr int PLAIN_INPUTS = 16;

template <class T, bool GATED, class OUT>
__device__ __forceinline__ void plain_product(const MoeProductParams& p) {
    constexpr int HALVES = GATED ? 2 : 1;
    __shared__ float x[PLAIN_INPUTS][PLAIN_ROWS + 1];
    __shared__ float w[HALVES][PLAIN_INPUTS][PLAIN_OUTPUTS + 1];
    start_next();
    wait_for_inputs();
    const Tile tile = tile_of<PLAIN_ROWS>(p, blockIdx.y);
    if (tile.expert < 0) return;
    const i32 n0 = blockIdx.x * PLAIN_OUTPUTS;
    const T* weight = weight_of<T, GATED>(p, tile.expert);
    const int row = threadIdx.x / 16;
    const int column = threadIdx.x % 16;
    float sums[HALVES][2][4] = {};
    for (i32 k0 = 0; k0 < p.inputs; k0 += PLAIN_INPUTS) {
        const i32 k = k0 + column;
#pragma unroll
        for (int r = row; r < PLAIN_ROWS; r += 16) {
            const bool in = r < tile.count && k < p.inputs;
            x[column][r] = in ? to_float(static_cast<const T*>(p.x)[source_of(p, tile.first + r) * p.inputs + k]) : 0.f;
        }
#pragma unroll
        for (int h = 0; h < HALVES; h++) {
#pragma unroll
            for (int n = row; n < PLAIN_OUTPUTS; n += 16) {
                const bool in = n0 + n < p.outputs && k < p.inputs;
                w[h][column][n] = in ? to_float(weight[(i64(h) * p.outputs + n0 + n) * p.inputs + k]) : 0.f;
            }
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < PLAIN_INPUTS; i++) {
#pragma unroll
            for (int h = 0; h < HALVES; h++) {
#pragma unroll
                for (int r = 0; r < 2; r++) {
#pragma unroll
                    for (int n = 0; n < 4; n++) sums[h][r][n] += x[i][row + 16 * r] * w[h][i][column + 16 * n];
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int own = row + 16 * r;
        if (own >= tile.count) continue;
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const i32 at = n0 + column + 16 * n;
            if (at >= p.outputs) continue;
            const float value = finished<GATED>(p, tile.expert, at, sums[0][r][n], sums[HALVES - 1][r][n]);
            static_cast<OUT*>(p.out)[i64(tile.first + own) * p.outputs + at] = from_float<OUT>(value);
        }
    }
}
