// Which of a row's largest numbers together reach a given weight: by counting (top-k, the N likeliest) or by mass (top-p), without
// sorting. A first pass sorts weights into bins of equal width below the largest number, which finds the bin in which the border
// lies and what is above it; a second lists this bin's numbers, and each is compared with each. Where a bin holds too many
// (equal numbers, or numbers of an odd scale), its keys are told apart nine bits at a time.
#pragma once
#include "row.cuh"

/// Numbers of key `key` are the least that are needed: those above it weigh `above`, those of the key `at`, and `wanted` was asked.
struct Border {
    u32 key;
    u64 above;
    u64 at;
    u64 wanted;
};

/// What to keep of a row: numbers above a key, and of those with the key the ones up to an id.
struct Keep {
    u32 key;
    i32 last_tied;

    __device__ __forceinline__ bool operator()(float x, i32 id) const {
        const u32 own = key_of(x);
        return own > key || (own == key && id <= last_tied);
    }
};
constexpr i32 NO_LIMIT = 0x7fffffff;

/// 64-bit sums of two 32-bit words, exact in any order: of all additions that make the low word wrap, each sees its own wrap.
__device__ __forceinline__ void add_to(u32* low, u32* high, u64 weight) {
    const u32 part = u32(weight);
    const u32 before = atomicAdd(low, part);
    const u32 carry = u32(weight >> 32) + (before + part < part ? 1 : 0);
    if (carry) atomicAdd(high, carry);
}

/// The bin in which sums from bin 0 on reach `wanted`.
struct Bin {
    int index;
    u64 above;
    u64 inside;
    u64 wanted;
};

template <class Fill, class Target>
__device__ __forceinline__ Bin find_bin(Team& team, Fill fill, Target target) {
    Shared& s = team.shared;
    const int turn = team.turn;
    s.low[turn][threadIdx.x] = 0;
    s.high[turn][threadIdx.x] = 0;
    __syncthreads();
    fill(s.low[turn], s.high[turn]);
    cluster_barrier(team.parts);
    u64 own = 0;
    for (int part = 0; part < team.parts; part++) {
        own += u64(load_remote(&s.high[turn][threadIdx.x], part)) << 32;
        own += load_remote(&s.low[turn][threadIdx.x], part);
    }
    const u64 after = running_sum(team, own);
    if (threadIdx.x == BINS - 1) s.found[3] = after;
    __syncthreads();
    const u64 wanted = target(s.found[3]);
    if (after - own < wanted && wanted <= after) {
        s.found[0] = u64(threadIdx.x);
        s.found[1] = after;
        s.found[2] = own;
    }
    __syncthreads();
    const Bin bin = {int(s.found[0]), s.found[1] - s.found[2], s.found[2], wanted};
    __syncthreads();
    return bin;
}

/// `Weight` has admits(value, id), and of(value): what an admitted number weighs, more than 0. `scale`: bins in a unit.
template <class Weight, class Target>
__device__ __forceinline__ Border find_border(const Row& row, Team& team, float best, float scale, Weight weight,
                                              Target target) {
    Shared& s = team.shared;
    // Never less for a smaller number: rounding keeps order.
    const auto bin_of = [=](float x) { return int(fminf((best - x) * scale, float(BINS - 1))); };
    Bin bin = find_bin(
        team,
        [&](u32* low, u32* high) {
            each(row, [&](float x, i32 id) {
                if (weight.admits(x, id)) add_to(low + bin_of(x), high + bin_of(x), weight.of(x));
            });
        },
        target);
    const int in_bin = bin.index;
    if (threadIdx.x == 0) s.count = 0;
    __syncthreads();
    each(row, [&](float x, i32 id) {
        if (bin_of(x) != in_bin || !weight.admits(x, id)) return;
        const u32 place = atomicAdd(&s.count, 1u);
        if (place < LISTED) s.listed[place] = key_of(x);
    });
    cluster_barrier(team.parts);
    u32 count = 0;
    for (int part = 0; part < team.parts; part++) {
        const u32 theirs = load_remote(&s.count, part);
        for (u32 i = threadIdx.x; i < theirs && count + theirs <= LISTED; i += THREADS) {
            const u32 key = load_remote(&s.listed[i], part);
            s.merged[count + i] = key;
            s.weights[count + i] = weight.of(value_of(key));
        }
        count += theirs;
    }
    __syncthreads();
    if (count <= LISTED) {
        for (u32 i = threadIdx.x; i < count; i += THREADS) {
            const u32 key = s.merged[i];
            u64 above = bin.above;
            u64 at = 0;
            for (u32 j = 0; j < count; j++) {
                if (s.merged[j] > key) above += s.weights[j];
                if (s.merged[j] == key) at += s.weights[j];
            }
            // All of one key write the same.
            if (above < bin.wanted && bin.wanted <= above + at) {
                s.found[0] = key;
                s.found[1] = above;
                s.found[2] = at;
            }
        }
        __syncthreads();
        return {u32(s.found[0]), s.found[1], s.found[2], bin.wanted};
    }
    u32 prefix = 0;
    int known = 0;
    while (known < 32) {
        const int bits = min(9, 32 - known);
        const int shift = 32 - known - bits;
        const u64 above = bin.above;
        const u64 wanted = bin.wanted;
        bin = find_bin(
            team,
            [&](u32* low, u32* high) {
                each(row, [&](float x, i32 id) {
                    if (bin_of(x) != in_bin || !weight.admits(x, id)) return;
                    const u32 key = key_of(x);
                    if (known > 0 && key >> (32 - known) != prefix) return;
                    const u32 digit = BINS - 1 - (key >> shift & (BINS - 1) >> (9 - bits));
                    add_to(low + digit, high + digit, weight.of(x));
                });
            },
            [=](u64) { return wanted - above; });
        prefix = prefix << bits | u32(BINS - 1 - bin.index);
        bin.above += above;
        bin.wanted = wanted;
        known += bits;
    }
    return {prefix, bin.above, bin.inside, bin.wanted};
}

/// Of numbers at the border only as many as are needed, those with the lowest ids.
template <class Weight>
__device__ __forceinline__ Keep keep_needed(const Row& row, Team& team, const Border& border, Weight weight) {
    const u64 each_weighs = weight.of(value_of(border.key));
    const u64 needed = (border.wanted - border.above + each_weighs - 1) / each_weighs;
    if (needed * each_weighs >= border.at) return {border.key, NO_LIMIT};
    const auto tied = [=](float x, i32 id) { return u64(key_of(x) == border.key && weight.admits(x, id)); };
    return {border.key, locate(row, team, tied, [=](u64) { return needed - 1; })};
}
