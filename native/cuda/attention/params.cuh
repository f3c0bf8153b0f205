// What the attention kernels share: their parameters, which keys a query sees, and what becomes of a dot product.
//
//   q, out      [tokens, stride], head h at columns h * head_dim
//   keys        [blocks, kv_heads, block_size, head_dim], values alike: one head of one block is contiguous
//   sequence s  has the queries query_starts[s] .. query_starts[s + 1], the last at position context_lengths[s] - 1
//
// A query at p sees the keys p - window < j <= p. Its score for one of them is, in base 2,
//   log2(e) * (cap(scale * q . k) + bias),  cap(x) = soft_cap * tanh(x / soft_cap),
//   bias = slope * (j - p), or alibi_scale * bf16(slope * j).
#pragma once
#include "common/math.cuh"
#include "common/memory.cuh"
#include "common/warp.cuh"

struct AttentionParams {
    const void* q;
    const void* keys;
    const void* values;
    /// f32 [heads] or null
    const float* alibi;
    const i32* query_starts;
    const i32* context_lengths;
    const i32* block_tables;
    void* out;
    /// Decode with more splits than one cluster joins: sums [sequences, heads, splits, head_dim], then (largest score, total of
    /// weights) [sequences, heads, splits, 2]. Else null.
    float* partials;
    i32 sequences;
    i32 heads;
    i32 kv_heads;
    i32 head_dim;
    i32 q_stride;
    i32 out_stride;
    i32 table_stride;
    i32 block_shift;
    /// 0: all earlier keys are seen
    i32 window;
    i32 splits;
    /// Keys of a split; 0 shares the context evenly among the splits.
    i32 split_keys;
    /// 1 where the decode kernel runs too and takes the sequences of one query.
    i32 skip_single;
    float scale;
    /// 0: none
    float soft_cap;
    /// 0: the bias is slope * (j - p)
    float alibi_scale;
};

/// The slot of key `j` in units of rows of head_dim elements, for one key head.
__device__ __forceinline__ i64 cache_row(const AttentionParams& p, const i32* table, i32 kv_head, i32 j) {
    const i64 block = table[j >> p.block_shift];
    return ((block * p.kv_heads + kv_head) << p.block_shift) + (j & ((1 << p.block_shift) - 1));
}

__device__ __forceinline__ bool sees(i32 window, i32 position, i32 key) {
    return key <= position && (window == 0 || key > position - window);
}

/// The first key that a query at `position` sees.
__device__ __forceinline__ i32 first_seen(i32 window, i32 position) {
    return window == 0 ? 0 : max(0, position - window + 1);
}

__device__ __forceinline__ float rounded_to_bf16(float x) { return to_float(from_float<bf16>(x)); }

/// The bias of a key, not yet in base 2.
__device__ __forceinline__ float alibi_bias(const AttentionParams& p, float slope, i32 position, i32 key) {
    if (p.alibi_scale != 0) return p.alibi_scale * rounded_to_bf16(slope * key);
    return slope * (key - position);
}

/// Which rows of queries a block has. Query tiles of all sequences are numbered one sequence after another, within a
/// sequence from the last one, which sees the most keys and takes longest, to the first.
struct QueryTile {
    i32 sequence;
    i32 context;
    /// Row of q of the tile's first query, how many it has, and the position of the first.
    i32 first_token;
    i32 queries;
    i32 first_position;
};

/// False where there is no such tile. Called by whole warps; all lanes get the same answer.
__device__ __forceinline__ bool find_tile(const AttentionParams& p, i32 number, i32 tile, QueryTile& found) {
    const i32 lane = lane_id();
    for (i32 base = 0; base < p.sequences; base += WARP) {
        const i32 s = base + lane;
        const i32 start = s < p.sequences ? p.query_starts[s] : 0;
        const i32 count = s < p.sequences ? p.query_starts[s + 1] - start : 0;
        const i32 tiles = p.skip_single && count == 1 ? 0 : ceil_div(count, tile);
        i32 before = tiles;
#pragma unroll
        for (int step = 1; step < WARP; step *= 2) {
            const i32 other = __shfl_up_sync(ALL_LANES, before, step);
            if (lane >= step) before += other;
        }
        const u32 reached = __ballot_sync(ALL_LANES, number < before);
        if (reached) {
            const int owner = __ffs(reached) - 1;
            const i32 from_last = number - (__shfl_sync(ALL_LANES, before, owner) - __shfl_sync(ALL_LANES, tiles, owner));
            const i32 index = __shfl_sync(ALL_LANES, tiles, owner) - 1 - from_last;
            const i32 all = __shfl_sync(ALL_LANES, count, owner);
            found.sequence = base + owner;
            found.context = p.context_lengths[base + owner];
            found.first_token = __shfl_sync(ALL_LANES, start, owner) + index * tile;
            found.queries = min(tile, all - index * tile);
            found.first_position = found.context - all + index * tile;
            return true;
        }
        number -= __shfl_sync(ALL_LANES, before, WARP - 1);
    }
    return false;
}
