// The blocks that share a row: what they reduce together, and their shared memory. Everything that is summed is a whole number, and
// whole numbers give one sum in any order: a row's result depends neither on how many blocks share it nor on when they run.
#pragma once
#include "common/cluster.cuh"
#include "common/warp.cuh"

constexpr int THREADS = 512;
constexpr int WARPS = THREADS / WARP;
constexpr int BINS = THREADS;
constexpr int LISTED = 2048;
constexpr int MOST_PARTS = 8;
/// Parts of a warp's share of the row whose sums are kept, so that a place in it is found without a second pass.
constexpr int CHUNKS = 64;

struct Shared {
    u64 weights[LISTED];  // also chunks of a row
    u64 warps[2][WARPS];
    u64 posted[2];
    u64 found[4];
    u32 low[2][BINS];
    u32 high[2][BINS];
    alignas(8) u32 listed[LISTED];  // also LISTED / 2 words of 64 bits
    u32 merged[LISTED];
    u32 count;
};

/// `turn` alternates between two copies of what others may still be reading: whoever writes one has passed the barrier
/// after which the others stopped reading it.
struct Team {
    Shared& shared;
    int part;
    int parts;
    int turn;
};

__device__ __forceinline__ u64 shuffle_xor(u64 x, int step) {
    return u64(__shfl_xor_sync(ALL_LANES, u32(x >> 32), step)) << 32 | __shfl_xor_sync(ALL_LANES, u32(x), step);
}
__device__ __forceinline__ u64 shuffle_up(u64 x, int step) {
    return u64(__shfl_up_sync(ALL_LANES, u32(x >> 32), step)) << 32 | __shfl_up_sync(ALL_LANES, u32(x), step);
}

struct Sum {
    __device__ __forceinline__ u64 operator()(u64 a, u64 b) const { return a + b; }
};
struct Maximum {
    __device__ __forceinline__ u64 operator()(u64 a, u64 b) const { return a > b ? a : b; }
};

template <class Op>
__device__ __forceinline__ u64 over_lanes(u64 x, Op op) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) x = op(x, shuffle_xor(x, step));
    return x;
}

/// Over all threads of the row's blocks, in every one of them; 0 is neutral.
template <class Op>
__device__ __forceinline__ u64 reduce(Team& team, u64 x, Op op) {
    Shared& s = team.shared;
    team.turn ^= 1;
    x = over_lanes(x, op);
    if (lane_id() == 0) s.warps[team.turn][warp_id()] = x;
    __syncthreads();
    x = over_lanes(lane_id() < WARPS ? s.warps[team.turn][lane_id()] : 0, op);
    if (team.parts == 1) return x;
    if (threadIdx.x == 0) s.posted[team.turn] = x;
    cluster_barrier(team.parts);
    return over_lanes(lane_id() < team.parts ? load_remote(&s.posted[team.turn], lane_id()) : 0, op);
}

/// The sum of the threads before this one in the block, and this one.
__device__ __forceinline__ u64 running_sum(Team& team, u64 x) {
    Shared& s = team.shared;
    team.turn ^= 1;
#pragma unroll
    for (int step = 1; step < WARP; step *= 2) {
        const u64 before = shuffle_up(x, step);
        if (lane_id() >= step) x += before;
    }
    if (lane_id() == WARP - 1) s.warps[team.turn][warp_id()] = x;
    __syncthreads();
    return x + over_lanes(lane_id() < warp_id() ? s.warps[team.turn][lane_id()] : 0, Sum());
}
