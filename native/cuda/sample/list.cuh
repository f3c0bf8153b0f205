// The likeliest tokens of a row in order, and places of tokens among all.
#pragma once
#include "draw.cuh"

/// As many as one round lists.
constexpr int ROUND = LISTED / 2;

/// Tokens after those already listed, without removed ones.
struct AfterBound {
    u64 bound;
    __device__ __forceinline__ bool admits(float x, i32 id) const { return x > -INFINITE && place_of(x, id) < bound; }
    __device__ __forceinline__ u64 of(float) const { return 1; }
};

/// take(n, value, id) of the n-th best, for the `count` best, by some thread of block 0; returns how many there are. Equal
/// ones by lowest id.
template <class Take>
__device__ __forceinline__ i32 list_best(const Row& row, Team& team, float best, i32 count, Take take) {
    Shared& s = team.shared;
    u64* own = reinterpret_cast<u64*>(s.listed);
    u64* all = s.weights;
    AfterBound rest = {~u64(0)};
    i32 listed = 0;
    while (listed < count) {
        const u64 most = u64(min(count - listed, ROUND));
        u64 total = 0;
        const Border border = find_border(row, team, best, BINS_PER_UNIT, rest, [&](u64 sum) {
            total = sum;
            return sum < most ? sum : most;
        });
        if (total == 0) break;
        const Keep keep = keep_needed(row, team, border, rest);
        cluster_barrier(team.parts);
        if (threadIdx.x == 0) s.count = 0;
        __syncthreads();
        each(row, [&](float x, i32 id) {
            if (keep(x, id) && rest.admits(x, id)) own[atomicAdd(&s.count, 1u)] = place_of(x, id);
        });
        cluster_barrier(team.parts);
        u32 found = 0;
        for (int part = 0; part < team.parts; part++) {
            const u32 theirs = load_remote(&s.count, part);
            for (u32 i = threadIdx.x; i < theirs; i += THREADS) all[found + i] = load_remote(&own[i], part);
            found += theirs;
        }
        __syncthreads();
        for (u32 i = threadIdx.x; i < found; i += THREADS) {
            const u64 place = all[i];
            u32 before = 0;
            for (u32 j = 0; j < found; j++) before += all[j] > place ? 1 : 0;
            if (team.part == 0) take(listed + i32(before), value_of(u32(place >> 32)), id_of(place));
            if (before == found - 1) s.found[0] = place;
        }
        __syncthreads();
        rest.bound = s.found[0];
        __syncthreads();
        listed += i32(found);
        if (total <= most) break;
    }
    return listed;
}

/// Place of a token among the row's, 1 for the best.
__device__ __forceinline__ i32 rank_of(const Row& row, Team& team, i32 token) {
    const float value = row.at(token);
    u64 before = 0;
    each(row, [&](float x, i32 id) { before += x > value || (x == value && u32(id) < u32(token)) ? 1 : 0; });
    return i32(reduce(team, before, Sum())) + 1;
}

/// log of the sum of exp(x - best).
__device__ __forceinline__ float log_total(const Row& row, Team& team, float best, float unit) {
    const Weigh weigh = {best, 1, unit};
    u64 sum = 0;
    each(row, [&](float x, i32) { sum += weigh(x); });
    return logf(float(double(reduce(team, sum, Sum())) / double(unit)));
}
