// A row of logits as its blocks see it, and passes over it. A row of an odd vocabulary begins anywhere: it is read in vectors of 16
// bytes from the multiple of 16 at or before its beginning, and what does not belong to it counts as -Infinity. Each block has a
// contiguous part of the vectors, each warp a contiguous part of the block's.
#pragma once
#include "common/memory.cuh"
#include "team.cuh"

struct Row {
    const float* base;   // a multiple of 16 bytes
    i32 lead;            // numbers before the row's first
    i32 vocabulary;
    const u32* allowed;  // null: all
    i32 first;           // vectors of this warp
    i32 last;

    __device__ __forceinline__ void load(i32 vector, float (&x)[4]) const {
        const Words4 v = load16(base + i64(vector) * 4);
        x[0] = __uint_as_float(v.x);
        x[1] = __uint_as_float(v.y);
        x[2] = __uint_as_float(v.z);
        x[3] = __uint_as_float(v.w);
        const i32 id = vector * 4 - lead;
        if (id < 0 || id + 4 > vocabulary) {
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if (u32(id + j) >= u32(vocabulary)) x[j] = -INFINITE;
            }
        }
        if (!allowed) return;
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const u32 at = id + j;
            if (at < u32(vocabulary) && !(allowed[at >> 5] >> (at & 31) & 1)) x[j] = -INFINITE;
        }
    }
    /// Another block may have changed it since this one last read it.
    __device__ __forceinline__ float at(i32 id) const { return *static_cast<const volatile float*>(base + lead + id); }
};

__device__ __forceinline__ Row row_of(const float* logits, i32 vocabulary, const u32* allowed, const Team& team) {
    const i32 lead = i32(u64(logits) / 4 % 4);
    const i32 vectors = (lead + vocabulary + 3) / 4;
    const i32 per_part = ceil_div(vectors, team.parts);
    const i32 end = min(vectors, (team.part + 1) * per_part);
    const i32 per_warp = ceil_div(per_part, WARPS);
    const i32 first = min(end, team.part * per_part + warp_id() * per_warp);
    return {logits - lead, lead, vocabulary, allowed, first, min(end, first + per_warp)};
}

/// visit(value, id) for all numbers of vectors [first, last), each lane in ascending order; four loads are under way at a time.
template <class Visit>
__device__ __forceinline__ void each_of(const Row& row, i32 first, i32 last, Visit visit) {
    constexpr int AT_ONCE = 4;
    for (i32 v = first + lane_id(); v < last; v += AT_ONCE * WARP) {
        float x[AT_ONCE][4];
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            if (v + i * WARP < last) row.load(v + i * WARP, x[i]);
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            if (v + i * WARP >= last) break;
#pragma unroll
            for (int j = 0; j < 4; j++) visit(x[i][j], (v + i * WARP) * 4 + j - row.lead);
        }
    }
}
template <class Visit>
__device__ __forceinline__ void each(const Row& row, Visit visit) {
    each_of(row, row.first, row.last, visit);
}

/// Keys order as numbers do, both zeros alike; NaN is above Infinity.
constexpr u32 KEY_OF_INFINITY = 0xff800000u;
constexpr u32 KEY_OF_MINUS_INFINITY = 0x007fffffu;
__device__ __forceinline__ u32 key_of(float x) {
    if (x != x) return 0xffffffffu;
    const u32 bits = __float_as_uint(x + 0.f);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}
__device__ __forceinline__ float value_of(u32 key) { return __uint_as_float(key ^ (key >> 31 ? 0x80000000u : 0xffffffffu)); }

/// Orders tokens by value, the lower id first of equal ones: the best has the largest place.
__device__ __forceinline__ u64 place_of(float x, i32 id) { return u64(key_of(x)) << 32 | u32(~id); }
__device__ __forceinline__ i32 id_of(u64 place) { return i32(~u32(place)); }

/// The largest number and its lowest id; `id` is -1 if a number is NaN or Infinity, or all are -Infinity.
struct Best {
    float value;
    i32 id;
};
__device__ __forceinline__ Best best_of(const Row& row, Team& team) {
    float best = -INFINITE;
    i32 id = 0;
    bool nan = false;
    each(row, [&](float x, i32 i) {
        nan |= x != x;
        if (x > best) {
            best = x;
            id = i;
        }
    });
    const u64 place = reduce(team, nan ? ~u64(0) : place_of(best, id), Maximum());
    const u32 key = u32(place >> 32);
    return {value_of(key), key >= KEY_OF_INFINITY || key == KEY_OF_MINUS_INFINITY ? -1 : id_of(place)};
}

/// The first id whose weights, summed up to and including it in the order of ids, exceed target(sum of all).
template <class Weight, class Target>
__device__ __forceinline__ i32 locate(const Row& row, Team& team, Weight weight, Target target) {
    Shared& s = team.shared;
    const i32 length = max(4 * WARP, ceil_div(ceil_div(row.last - row.first, CHUNKS), WARP) * WARP);
    u64* chunks = s.weights + warp_id() * CHUNKS;
    __syncthreads();
    u64 own = 0;
    for (i32 from = row.first, c = 0; from < row.last; from += length, c++) {
        u64 sum = 0;
        each_of(row, from, min(from + length, row.last), [&](float x, i32 id) { sum += weight(x, id); });
        sum = over_lanes(sum, Sum());
        if (lane_id() == 0) chunks[c] = sum;
        own += sum;
    }
    team.turn ^= 1;
    if (lane_id() == 0) s.warps[team.turn][warp_id()] = own;
    __syncthreads();
    const u64 other = lane_id() < WARPS ? s.warps[team.turn][lane_id()] : 0;
    u64 total = over_lanes(other, Sum());
    u64 start = over_lanes(lane_id() < warp_id() ? other : 0, Sum());
    if (team.parts > 1) {
        if (threadIdx.x == 0) s.posted[team.turn] = total;
        cluster_barrier(team.parts);
        const u64 part = lane_id() < team.parts ? load_remote(&s.posted[team.turn], lane_id()) : 0;
        total = over_lanes(part, Sum());
        start += over_lanes(lane_id() < team.part ? part : 0, Sum());
    }
    const u64 wanted = target(total);
    u64 found = 0;
    if (start <= wanted && wanted < start + own) {
        i32 from = row.first;
        for (i32 c = 0; start + chunks[c] <= wanted; c++, from += length) start += chunks[c];
        for (; found == 0 && from < row.last; from += WARP) {
            const i32 vector = from + lane_id();
            float x[4];
            u64 weights[4] = {0, 0, 0, 0};
            if (vector < row.last) {
                row.load(vector, x);
#pragma unroll
                for (int j = 0; j < 4; j++) weights[j] = weight(x[j], vector * 4 + j - row.lead);
            }
            const u64 sum = weights[0] + weights[1] + weights[2] + weights[3];
            u64 after = sum;
#pragma unroll
            for (int step = 1; step < WARP; step *= 2) {
                const u64 before = shuffle_up(after, step);
                if (lane_id() >= step) after += before;
            }
            u64 reached = start + after - sum;
            u64 here = 0;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                reached += weights[j];
                if (here == 0 && reached > wanted && weights[j] > 0) here = u64(vector) * 4 + j - row.lead + 1;
            }
            // Lanes before the one that holds it did not reach it; of those after it all did.
            const u32 reachers = __ballot_sync(ALL_LANES, here > 0);
            if (reachers) found = __shfl_sync(ALL_LANES, u32(here), __ffs(reachers) - 1);
            start += over_lanes(sum, Sum());
        }
    }
    return i32(reduce(team, found, Maximum())) - 1;
}
