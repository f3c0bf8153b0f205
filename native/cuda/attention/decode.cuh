// Attention of one new token a sequence: what decode.cu and fused-decode.cu share. See decode.cu for how work is divided.
#pragma once
#include "attention/tiles.cuh"
#include "common/cluster.cuh"
#include "common/shared.cuh"

/// Keys that a warp takes at a time; a tile never crosses a block of the cache, whose size is a power of two from 16.
constexpr int TILE_KEYS = 16;
/// Query heads that share loads of keys and values: the rows of one matrix product.
constexpr int MOST_ROWS = 16;

/// What a block does: some tiles of one key head of one sequence, for up to 16 query heads.
struct DecodeWork {
    i32 sequence;
    i32 token;
    i32 context;
    i32 kv_head;
    /// Query heads head .. head + rows
    i32 head;
    i32 rows;
    /// Tiles of the split, numbered from the context's start
    i32 first_tile;
    i32 last_tile;
};

/// Tiles [first, last) of split `split`: an even share, or a fixed number of keys from a multiple of it on, so that the
/// split depends on the sequence alone.
__device__ __forceinline__ void split_tiles(const AttentionParams& p, i32 context, i32 split, i32& first, i32& last) {
    const i32 begin = first_seen(p.window, context - 1) / TILE_KEYS, end = ceil_div(max(context, 0), TILE_KEYS);
    if (p.split_keys > 0) {
        const i32 share = p.split_keys / TILE_KEYS;
        first = max(begin, split * share);
        last = min(end, (split + 1) * share);
    } else {
        const i32 share = ceil_div(end - begin, p.splits);
        first = begin + split * share;
        last = min(end, first + share);
    }
    last = max(first, last);
}

/// False where the sequence does not add exactly one token, which another kernel takes.
__device__ __forceinline__ bool find_work(const AttentionParams& p, DecodeWork& work) {
    const i32 group = p.heads / p.kv_heads, chunks = ceil_div(group, MOST_ROWS);
    const i32 chunk = blockIdx.y % chunks;
    work.sequence = blockIdx.z;
    work.kv_head = blockIdx.y / chunks;
    work.head = work.kv_head * group + chunk * MOST_ROWS;
    work.rows = min(MOST_ROWS, group - chunk * MOST_ROWS);
    work.token = p.query_starts[work.sequence];
    work.context = p.context_lengths[work.sequence];
    const i32 count = p.query_starts[work.sequence + 1] - work.token;
    split_tiles(p, work.context, blockIdx.x, work.first_tile, work.last_tile);
    return count == 1;
}

/// Copies of a warp's tiles into its own ring in shared memory, several tiles ahead. A warp takes every WARPS-th tile of the split.
template <class T, int HEAD, int WARPS, int STAGES>
struct TileRing {
    using Layout = TileLayout<HEAD>;
    static constexpr int TILE_BYTES = TILE_KEYS * Layout::ROW_BYTES;
    static constexpr int BYTES = WARPS * STAGES * 2 * TILE_BYTES;

    const AttentionParams& p;
    const DecodeWork& work;
    const i32* table;
    /// Keys below this are in the cache.
    const i32 cached;
    /// The warp's own part: [stage][keys, values]
    u8* memory;
    /// Lane l has the cache block of the warp's tile l of the 32 now fetched, and of the 32 after them.
    i32 blocks;
    i32 next_blocks;

    __device__ __forceinline__ TileRing(const AttentionParams& p, const DecodeWork& work, i32 cached)
        : p(p),
          work(work),
          table(p.block_tables + i64(work.sequence) * p.table_stride),
          cached(cached),
          memory(dynamic_shared() + warp_id() * STAGES * 2 * TILE_BYTES),
          blocks(block_of(lane_id())),
          next_blocks(block_of(WARP + lane_id())) {}

    __device__ __forceinline__ i32 tile(i32 index) const { return work.first_tile + warp_id() + index * WARPS; }
    __device__ __forceinline__ i32 count() const { return max(0, ceil_div(work.last_tile - work.first_tile - warp_id(), WARPS)); }
    __device__ __forceinline__ u8* keys(i32 index) const { return memory + index % STAGES * 2 * TILE_BYTES; }
    __device__ __forceinline__ u8* values(i32 index) const { return keys(index) + TILE_BYTES; }

    /// Begins to copy the warp's tile `index`; called with 0, 1, 2, ...
    __device__ __forceinline__ void fetch(i32 index) {
        if (index % WARP == 0 && index > 0) {
            blocks = next_blocks;
            next_blocks = block_of(index + WARP + lane_id());
        }
        const i64 block = __shfl_sync(ALL_LANES, blocks, index % WARP);
        if (tile(index) < work.last_tile) {
            const i32 first = tile(index) * TILE_KEYS;
            const i64 row = ((block * p.kv_heads + work.kv_head) << p.block_shift) + (first & ((1 << p.block_shift) - 1));
            const T* from_keys = static_cast<const T*>(p.keys) + row * p.head_dim;
            const T* from_values = static_cast<const T*>(p.values) + row * p.head_dim;
            u8* to = keys(index);
            const i32 pieces = p.head_dim / 8, rows = cached - first;
            copy(to, from_keys, pieces, rows);
            copy(to + TILE_BYTES, from_values, pieces, rows);
        }
        commit_copies();
    }

    /// Waits for tile `index`, of which STAGES - 2 later ones may still be on their way. All lanes are then also done with the
    /// tile before it.
    __device__ __forceinline__ void await() const {
        wait_copies<STAGES - 2>();
        __syncwarp();
    }

  private:
    __device__ __forceinline__ i32 block_of(i32 index) const {
        return tile(index) < work.last_tile ? table[tile(index) * TILE_KEYS >> p.block_shift] : 0;
    }

    // Rows from `rows` on and pieces from `pieces` on are zeros.
    __device__ __forceinline__ void copy(u8* to, const T* from, i32 pieces, i32 rows) const {
        constexpr int COPIES = TILE_KEYS * Layout::PIECES / WARP;
#pragma unroll
        for (int i = 0; i < COPIES; i++) {
            const int index = lane_id() + i * WARP;
            const int row = index / Layout::PIECES, piece = index % Layout::PIECES;
            const bool exists = row < rows && piece < pieces;
            copy_async16(to + Layout::offset(row, piece), from + (exists ? row * p.head_dim + piece * 8 : 0), exists);
        }
    }
};

/// In shared memory one copy serves all warps, whose rows are the same.
template <int HEAD>
using DecodeQueries = QueryFragments<HEAD, (HEAD > 192)>;

/// The block's queries, one head a row.
template <class T, int HEAD>
__device__ __forceinline__ DecodeQueries<HEAD> load_queries(const AttentionParams& p, const DecodeWork& work, u8* memory) {
    const int g = lane_id() / 4, t = lane_id() % 4;
    const T* from = static_cast<const T*>(p.q) + i64(work.token) * p.q_stride + work.head * p.head_dim;
    DecodeQueries<HEAD> q(memory, lane_id(), WARP);
#pragma unroll
    for (int k = 0; k < HEAD / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const i32 row = g + i % 2 * 8, column = k * 16 + t * 2 + i / 2 * 8;
            const bool exists = row < work.rows && column < p.head_dim;
            q.set(k, i, exists ? *reinterpret_cast<const u32*>(from + row * p.head_dim + column) : 0);
        }
    }
    return q;
}

/// Positions and slopes of this lane's two rows.
struct DecodeRows {
    i32 positions[2];
    float slopes[2];

    __device__ __forceinline__ DecodeRows(const AttentionParams& p, const DecodeWork& work) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const i32 row = lane_id() / 4 + r * 8;
            positions[r] = work.context - 1;
            slopes[r] = p.alibi && row < work.rows ? p.alibi[work.head + row] : 0.f;
        }
    }
};

template <class T, int HEAD>
__device__ __forceinline__ void attend_tile(const AttentionParams& p, const DecodeWork& work, const DecodeRows& rows,
                                            const DecodeQueries<HEAD>& q, const u8* keys, const u8* values, i32 tile,
                                            RowState& state, float (&sums)[HEAD / 8][4]) {
    const i32 first = tile * TILE_KEYS, position = work.context - 1;
    float scores[2][4];
    multiply_keys<T, HEAD, 1>(scores, q, shared_address(keys));
    const bool whole = first + TILE_KEYS - 1 <= position && (p.window == 0 || first > position - p.window);
    finish_scores<2>(scores, p, rows.positions, rows.slopes, first, !whole);
    weigh(scores, sums, state);
    multiply_values<T, HEAD, 1>(sums, scores, shared_address(values));
}

template <int TILES>
__device__ __forceinline__ void clear(float (&sums)[TILES][4]) {
#pragma unroll
    for (int n = 0; n < TILES; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) sums[n][i] = 0;
    }
}

/// What the warps of a block, and the blocks of a cluster, have for each row: the largest score, the total of weights relative to
/// it, and weighted sums of values. In shared memory, where the rings were.
template <int HEAD, int WARPS>
struct DecodeResult {
    float* largest;  // [WARPS, MOST_ROWS], then the block's own [MOST_ROWS]
    float* total;    // likewise
    float* sums;     // [WARPS, rows, HEAD], then the block's own in the place of the first warp's
    i32 rows;

    static constexpr int BYTES = (2 * (WARPS + 1) * MOST_ROWS + WARPS * MOST_ROWS * HEAD) * 4;

    __device__ __forceinline__ explicit DecodeResult(i32 rows)
        : largest(reinterpret_cast<float*>(dynamic_shared())),
          total(largest + (WARPS + 1) * MOST_ROWS),
          sums(total + (WARPS + 1) * MOST_ROWS),
          rows(rows) {}

    __device__ __forceinline__ float* block_largest() const { return largest + WARPS * MOST_ROWS; }
    __device__ __forceinline__ float* block_total() const { return total + WARPS * MOST_ROWS; }

    /// Joins the warps in their order. Ends with a barrier.
    __device__ __forceinline__ void join(RowState& state, const float (&warp_sums)[HEAD / 8][4]) const {
        const int g = lane_id() / 4, t = lane_id() % 4, warp = warp_id();
        join_totals(state);
        wait_copies<0>();
        __syncthreads();
        if (t == 0) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
                largest[warp * MOST_ROWS + g + r * 8] = state.largest[r];
                total[warp * MOST_ROWS + g + r * 8] = state.total[r];
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int row = g + r * 8;
            if (row >= rows) continue;
#pragma unroll
            for (int n = 0; n < HEAD / 8; n++) {
                float* to = sums + (warp * rows + row) * HEAD + n * 8 + 2 * t;
                to[0] = warp_sums[n][2 * r];
                to[1] = warp_sums[n][2 * r + 1];
            }
        }
        __syncthreads();
        constexpr int THREADS = WARPS * WARP;
        for (i32 i = threadIdx.x; i < rows * HEAD; i += THREADS) {
            const i32 row = i / HEAD;
            float most = -INFINITE;
#pragma unroll
            for (int w = 0; w < WARPS; w++) most = fmaxf(most, largest[w * MOST_ROWS + row]);
            const float base = most == -INFINITE ? 0.f : most;
            float sum = 0, all = 0;
#pragma unroll
            for (int w = 0; w < WARPS; w++) {
                const float weight = exp2_fast(largest[w * MOST_ROWS + row] - base);
                sum = fmaf(weight, sums[w * rows * HEAD + i], sum);
                all = fmaf(weight, total[w * MOST_ROWS + row], all);
            }
            // Only this thread reads element i of any warp.
            sums[i] = sum;
            if (i % HEAD == 0) {
                block_largest()[row] = most;
                block_total()[row] = all;
            }
        }
        __syncthreads();
    }
};

/// Joins the `blocks` blocks of a cluster in their order and writes the operation's result; every block takes a part of it.
template <class T, int HEAD, int WARPS>
__device__ __forceinline__ void write_result(const AttentionParams& p, const DecodeWork& work, const DecodeResult<HEAD, WARPS>& result,
                                             i32 blocks) {
    T* out = static_cast<T*>(p.out) + i64(work.token) * p.out_stride + work.head * p.head_dim;
    const i32 stride = WARPS * WARP * blocks;
    for (i32 i = blockIdx.x % blocks * WARPS * WARP + threadIdx.x; i < work.rows * HEAD; i += stride) {
        const i32 row = i / HEAD, column = i % HEAD;
        if (column >= p.head_dim) continue;
        float most = -INFINITE;
        for (i32 b = 0; b < blocks; b++) most = fmaxf(most, load_remote(result.block_largest() + row, b));
        const float base = most == -INFINITE ? 0.f : most;
        float sum = 0, total = 0;
        for (i32 b = 0; b < blocks; b++) {
            const float weight = exp2_fast(load_remote(result.block_largest() + row, b) - base);
            sum = fmaf(weight, load_remote(result.sums + i, b), sum);
            total = fmaf(weight, load_remote(result.block_total() + row, b), total);
        }
        out[row * p.head_dim + column] = from_float<T>(total > 0 ? sum * (1.f / total) : 0.f);
    }
}

/// Keeps a block's share for the kernel that joins the splits.
template <int HEAD, int WARPS>
__device__ __forceinline__ void write_partial(const AttentionParams& p, const DecodeWork& work, const DecodeResult<HEAD, WARPS>& result) {
    float* stats = p.partials + i64(p.sequences) * p.heads * p.splits * p.head_dim;
    for (i32 i = threadIdx.x; i < work.rows * HEAD; i += WARPS * WARP) {
        const i32 row = i / HEAD, column = i % HEAD;
        const i64 at = (i64(work.sequence) * p.heads + work.head + row) * p.splits + blockIdx.x;
        if (column < p.head_dim) p.partials[at * p.head_dim + column] = result.sums[i];
        if (column == 0) {
            stats[2 * at] = result.block_largest()[row];
            stats[2 * at + 1] = result.block_total()[row];
        }
    }
}
