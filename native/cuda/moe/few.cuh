// Products of experts for few tokens, 16-bit: bound by reading the chosen experts' weights, each once. Blocks have 16 outputs of one
// of the chosen experts, for all its tokens, eight at a time: a tensor-core product of 16 rows of weights by 8 tokens, whose
// operands go from memory to registers without a detour. The order of inputs is free as long as both operands agree on it: lane
// (g, t) takes eight neighbouring inputs, from 8 t of every 32, of weight rows g and g + 8 and of token g, as two steps of 16.
// Warps share the inputs, 128 in turn; their sums are joined in ascending order.
#pragma once
#include "common/mma.cuh"
#include "product.cuh"

constexpr int FEW_WARPS = 4;
constexpr int FEW_OUTPUTS = 16;
constexpr int FEW_TOKENS = 8;
constexpr int FEW_STEPS = 4;
constexpr int MOST_FEW_PICKS = 256;

struct Chosen {
    i32 expert;
    i32 count;
    i32 picks[MOST_FEW_PICKS];
};

/// The `slot`-th of the chosen experts, in ascending order, and its picks. `used`: [experts].
__device__ __forceinline__ void find_picks(const MoeProductParams& p, i32 slot, i32* used, Chosen& chosen) {
    for (i32 e = threadIdx.x; e < p.experts; e += blockDim.x) used[e] = 0;
    if (threadIdx.x == 0) chosen.expert = -1;
    __syncthreads();
    for (i32 i = threadIdx.x; i < p.picks; i += blockDim.x) used[p.chosen[i]] = 1;
    __syncthreads();
    if (warp_id() == 0) {
        i32 seen = 0;
        i32 expert = -1;
        for (i32 e = 0; e < p.experts && expert < 0; e += WARP) {
            const bool own = e + lane_id() < p.experts && used[e + lane_id()];
            const u32 mask = __ballot_sync(ALL_LANES, own);
            const i32 place = seen + __popc(mask & ((1u << lane_id()) - 1));
            const u32 match = __ballot_sync(ALL_LANES, own && place == slot);
            if (match) expert = e + __ffs(match) - 1;
            seen += __popc(mask);
        }
        i32 count = 0;
        for (i32 i = 0; i < p.picks && expert >= 0; i += WARP) {
            const bool own = i + lane_id() < p.picks && p.chosen[i + lane_id()] == expert;
            const u32 mask = __ballot_sync(ALL_LANES, own);
            if (own) chosen.picks[count + __popc(mask & ((1u << lane_id()) - 1))] = i + lane_id();
            count += __popc(mask);
        }
        if (lane_id() == 0) {
            chosen.expert = expert;
            chosen.count = count;
        }
    }
    __syncthreads();
}

template <class T, bool GATED, class OUT>
__device__ __forceinline__ void few_product(const MoeProductParams& p) {
    constexpr int HALVES = GATED ? 2 : 1;
    extern __shared__ i32 used[];
    __shared__ Chosen chosen;
    __shared__ float partial[FEW_WARPS][HALVES][FEW_OUTPUTS * FEW_TOKENS];
    start_next();
    wait_for_inputs();
    find_picks(p, blockIdx.y, used, chosen);
    if (chosen.expert < 0) return;
    const int g = lane_id() / 4;
    const int t = lane_id() % 4;
    const i32 n0 = blockIdx.x * FEW_OUTPUTS;
    // Rows beyond the last are read as the last, and dropped.
    const T* rows[HALVES][2];
#pragma unroll
    for (int h = 0; h < HALVES; h++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const i64 row = i64(h) * p.outputs + min(n0 + g + 8 * i, p.outputs - 1);
            rows[h][i] = weight_of<T, GATED>(p, chosen.expert) + row * p.inputs;
        }
    }
    for (i32 first = 0; first < chosen.count; first += FEW_TOKENS) {
        const bool present = first + g < chosen.count;
        const T* x = static_cast<const T*>(p.x) + i64(present ? chosen.picks[first + g] / p.top_k : 0) * p.inputs;
        float sums[HALVES][4] = {};
        for (i32 k0 = warp_id() * FEW_STEPS * 32; k0 < p.inputs; k0 += FEW_WARPS * FEW_STEPS * 32) {
            Words4 w[HALVES][2][FEW_STEPS];
            Words4 b[FEW_STEPS];
#pragma unroll
            for (int s = 0; s < FEW_STEPS; s++) {
                const i32 k = k0 + s * 32 + 8 * t;
                const bool in = k < p.inputs;
#pragma unroll
                for (int h = 0; h < HALVES; h++) {
#pragma unroll
                    for (int i = 0; i < 2; i++) w[h][i][s] = in ? load_stream(rows[h][i] + k) : Words4{0, 0, 0, 0};
                }
                b[s] = in && present ? load16(x + k) : Words4{0, 0, 0, 0};
            }
#pragma unroll
            for (int s = 0; s < FEW_STEPS; s++) {
#pragma unroll
                for (int h = 0; h < HALVES; h++) {
                    const Words4 low = w[h][0][s];
                    const Words4 high = w[h][1][s];
                    mma16816<T>(sums[h], low.x, high.x, low.y, high.y, b[s].x, b[s].y);
                    mma16816<T>(sums[h], low.z, high.z, low.w, high.w, b[s].z, b[s].w);
                }
            }
        }
#pragma unroll
        for (int h = 0; h < HALVES; h++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                partial[warp_id()][h][(g + i / 2 * 8) * FEW_TOKENS + 2 * t + i % 2] = sums[h][i];
            }
        }
        __syncthreads();
        const int n = threadIdx.x % FEW_OUTPUTS;
        const int token = threadIdx.x / FEW_OUTPUTS;
        if (first + token < chosen.count && n0 + n < p.outputs) {
            float totals[HALVES] = {};
#pragma unroll
            for (int h = 0; h < HALVES; h++) {
#pragma unroll
                for (int warp = 0; warp < FEW_WARPS; warp++) totals[h] += partial[warp][h][n * FEW_TOKENS + token];
            }
            const float value = finished<GATED>(p, chosen.expert, n0 + n, totals[0], totals[HALVES - 1]);
            static_cast<OUT*>(p.out)[i64(chosen.picks[first + token]) * p.outputs + n0 + n] = from_float<OUT>(value);
        }
        __syncthreads();
    }
}
