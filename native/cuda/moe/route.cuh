// Before and after the experts: which tokens they get, and the weighted sum of what they give.
#pragma once
#include "common/launch.cuh"
#include "common/vector.cuh"
#include "common/warp.cuh"

struct MoeRouteParams {
    const void* x;
    const float* router;
    i32* chosen;
    float* shares;
    i32 hidden;
    i32 experts;
    i32 top_k;
    i32 renormalise;
};

struct MoeSortParams {
    const i32* chosen;
    i32* starts;
    i32* order;
    i32* positions;
    i32 picks;
    i32 experts;
};

struct MoeCombineParams {
    const float* parts;
    const float* shares;
    const i32* positions;
    void* out;
    i32 hidden;
    i32 top_k;
};

/// In every lane of the warp.
template <class T>
__device__ __forceinline__ float score(const T* x, const float* router, i32 hidden) {
    constexpr int N = PER_16_BYTES<T>;
    float sum = 0;
    if (hidden % N == 0) {
        for (i32 v = lane_id(); v < hidden / N; v += WARP) {
            float a[N], w[N];
            load_vector<T>(x, v, a);
            load_weights<N>(router, i64(v) * N, w);
#pragma unroll
            for (int j = 0; j < N; j++) sum += a[j] * w[j];
        }
    } else {
        for (i32 i = lane_id(); i < hidden; i += WARP) sum += to_float(x[i]) * router[i];
    }
    return warp_sum(sum);
}

/// A block a token: warps take experts in turn, then the first chooses. Shared memory: [experts].
template <class T>
__device__ __forceinline__ void route(const MoeRouteParams& p) {
    extern __shared__ float scores[];
    start_next();
    wait_for_inputs();
    const i64 token = blockIdx.x;
    const T* x = static_cast<const T*>(p.x) + token * p.hidden;
    for (i32 e = warp_id(); e < p.experts; e += blockDim.x / WARP) {
        const float s = score(x, p.router + i64(e) * p.hidden, p.hidden);
        if (lane_id() == 0) scores[e] = s;
    }
    __syncthreads();
    if (warp_id() > 0) return;

    float most = -INFINITE;
    for (i32 e = lane_id(); e < p.experts; e += WARP) most = fmaxf(most, scores[e]);
    most = warp_max(most);
    float sum = 0;
    for (i32 e = lane_id(); e < p.experts; e += WARP) {
        scores[e] = expf(scores[e] - most);
        sum += scores[e];
    }
    sum = warp_sum(sum);
    for (i32 e = lane_id(); e < p.experts; e += WARP) scores[e] /= sum;

    float total = 0;
    for (i32 k = 0; k < p.top_k; k++) {
        // Chosen ones are marked by their sign: -1 - p.
        float best = -1;
        i32 expert = p.experts;
        for (i32 e = lane_id(); e < p.experts; e += WARP) {
            if (scores[e] > best) {
                best = scores[e];
                expert = e;
            }
        }
#pragma unroll
        for (int step = WARP / 2; step > 0; step /= 2) {
            const float other = __shfl_xor_sync(ALL_LANES, best, step);
            const i32 other_expert = __shfl_xor_sync(ALL_LANES, expert, step);
            if (other > best || (other == best && other_expert < expert)) {
                best = other;
                expert = other_expert;
            }
        }
        total += best;
        if (lane_id() == expert % WARP && expert < p.experts) scores[expert] = -1 - best;
    }
    i32 place = 0;
    for (i32 from = 0; from < p.experts; from += WARP) {
        const i32 e = from + lane_id();
        const bool taken = e < p.experts && scores[e] <= -1;
        const u32 mask = __ballot_sync(ALL_LANES, taken);
        if (taken) {
            const i64 at = token * p.top_k + place + __popc(mask & ((1u << lane_id()) - 1));
            const float share = -1 - scores[e];
            p.chosen[at] = e;
            p.shares[at] = p.renormalise ? share / total : share;
        }
        place += __popc(mask);
    }
}

/// A block an expert: it counts the picks of those before it and lists its own in ascending order. Each thread has a stretch of
/// the picks.
__device__ __forceinline__ void sort_picks(const MoeSortParams& p) {
    __shared__ i32 warps[2][WARP];
    start_next();
    wait_for_inputs();
    const i32 expert = blockIdx.x;
    const i32 length = ceil_div(p.picks, i32(blockDim.x));
    const i32 first = min(p.picks, i32(threadIdx.x) * length);
    const i32 last = min(p.picks, first + length);
    i32 before = 0;
    i32 own = 0;
    for (i32 i = first; i < last; i++) {
        const i32 e = p.chosen[i];
        before += e < expert;
        own += e == expert;
    }
    i32 running = own;
#pragma unroll
    for (int step = 1; step < WARP; step *= 2) {
        const i32 lower = __shfl_up_sync(ALL_LANES, running, step);
        if (lane_id() >= step) running += lower;
    }
    i32 smaller = before;
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) smaller += __shfl_xor_sync(ALL_LANES, smaller, step);
    if (lane_id() == WARP - 1) {
        warps[0][warp_id()] = running;
        warps[1][warp_id()] = smaller;
    }
    __syncthreads();
    i32 start = 0;
    i32 count = 0;
    i32 place = running - own;
    for (int warp = 0; warp < int(blockDim.x / WARP); warp++) {
        start += warps[1][warp];
        count += warps[0][warp];
        if (warp < warp_id()) place += warps[0][warp];
    }
    place += start;
    for (i32 i = first; i < last; i++) {
        if (p.chosen[i] != expert) continue;
        p.order[place] = i;
        p.positions[i] = place++;
    }
    if (threadIdx.x > 0) return;
    p.starts[expert] = start;
    if (expert == p.experts - 1) p.starts[p.experts] = start + count;
}

/// `positions` is null where parts stand by pick.
template <class T>
__device__ __forceinline__ void combine(const MoeCombineParams& p) {
    start_next();
    wait_for_inputs();
    const i64 token = blockIdx.x;
    for (i32 i = blockIdx.y * blockDim.x + threadIdx.x; i < p.hidden; i += gridDim.y * blockDim.x) {
        float sum = 0;
        for (i32 k = 0; k < p.top_k; k++) {
            const i64 pick = token * p.top_k + k;
            const i64 row = p.positions ? p.positions[pick] : pick;
            sum += p.shares[pick] * p.parts[row * p.hidden + i];
        }
        static_cast<T*>(p.out)[token * p.hidden + i] = from_float<T>(sum);
    }
}
