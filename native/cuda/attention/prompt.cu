// Attention of prompts and their chunks on tensor cores, f16 and bf16: FlashAttention-2 (Dao 2023) over the paged cache. Layouts and
// formulas are in params.cuh.
//
// A block of four warps has 64 queries of one head, 16 a warp, kept in registers, and goes through tiles of keys and values, which
// are copied asynchronously one tile ahead. Scores stay in registers and are, as weights, the left operand of the second product.
// Tiles that no query of the block sees are skipped, and a warp skips those that its own queries do not see; only tiles that cross
// the diagonal, the window's edge or the context's end are masked. Head sizes between the compiled ones are padded with zeros.
// Neighbouring blocks are heads, which share keys and values in second-level cache; a sequence's last tile, the longest, comes first.
// Tiles begin at multiples of their size and rows do not mix, so that a row depends on nothing but its own sequence.
//
// Bound by arithmetic, 4 * head_dim FLOPs for each query, head and key that it sees, and by reading K and V from shared memory once a warp.
#include "attention/tiles.cuh"
#include "common/launch.cuh"
#include "common/shared.cuh"

constexpr int WARPS = 4;
constexpr int THREADS = WARPS * WARP;
constexpr int QUERIES = WARPS * 16;

// Copies a tile of keys or values. Rows from `end` on are zeros: what lies behind the context in the cache may be anything, and
// a weight of zero does not silence NaN.
template <class T, int HEAD, int KEYS>
__device__ __forceinline__ void copy_tile(u8* to, const void* cache, const AttentionParams& p, const i32* table, i32 kv_head, i32 first,
                                          i32 end) {
    using Layout = TileLayout<HEAD>;
    constexpr int PIECES = Layout::PIECES;
    static_assert(KEYS * PIECES % THREADS == 0, "every thread copies as much as any other");
    const i32 pieces = p.head_dim / 8;
#pragma unroll
    for (int i = 0; i < KEYS * PIECES / THREADS; i++) {
        const int index = threadIdx.x + i * THREADS;
        const int row = index / PIECES, piece = index % PIECES;
        const i32 j = first + row;
        const bool exists = j < end && piece < pieces;
        const i64 at = exists ? cache_row(p, table, kv_head, j) * p.head_dim + piece * 8 : 0;
        copy_async16(to + Layout::offset(row, piece), static_cast<const T*>(cache) + at, exists);
    }
}

template <class T, int HEAD, int KEYS>
__device__ __forceinline__ void prompt(const AttentionParams& p) {
    start_next();
    wait_for_inputs();
    QueryTile tile;
    if (!find_tile(p, blockIdx.y, QUERIES, tile)) return;
    constexpr int TILE_BYTES = KEYS * TileLayout<HEAD>::ROW_BYTES;
    // [stage][keys, values]
    u8* ring = dynamic_shared();
    const i32 head = blockIdx.x, kv_head = head / (p.heads / p.kv_heads);
    const i32* table = p.block_tables + i64(tile.sequence) * p.table_stride;
    const i32 end = min(tile.context, tile.first_position + tile.queries);
    const i32 begin = first_seen(p.window, tile.first_position) / KEYS * KEYS;

    const auto fetch = [&](i32 first, int stage) {
        if (first < end) {
            u8* to = ring + stage * 2 * TILE_BYTES;
            copy_tile<T, HEAD, KEYS>(to, p.keys, p, table, kv_head, first, end);
            copy_tile<T, HEAD, KEYS>(to + TILE_BYTES, p.values, p, table, kv_head, first, end);
        }
        commit_copies();
    };
    fetch(begin, 0);

    const int g = lane_id() / 4, t = lane_id() % 4;
    const i32 row = warp_id() * 16;
    QueryFragments<HEAD, (HEAD > 160)> q(ring + 4 * TILE_BYTES, threadIdx.x, THREADS);
    const T* queries = static_cast<const T*>(p.q) + i64(tile.first_token) * p.q_stride + head * p.head_dim;
#pragma unroll
    for (int k = 0; k < HEAD / 16; k++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const i32 r = row + g + i % 2 * 8, column = k * 16 + t * 2 + i / 2 * 8;
            const bool exists = r < tile.queries && column < p.head_dim;
            q.set(k, i, exists ? *reinterpret_cast<const u32*>(queries + i64(r) * p.q_stride + column) : 0);
        }
    }

    const i32 first_position = tile.first_position + row;
    const i32 positions[2] = {first_position + g, first_position + g + 8};
    const float slope = p.alibi ? p.alibi[head] : 0.f;
    const float slopes[2] = {slope, slope};
    const bool has_rows = row < tile.queries;
    RowState state;
    float sums[HEAD / 8][4];
#pragma unroll
    for (int n = 0; n < HEAD / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) sums[n][i] = 0;
    }

    int stage = 0;
    for (i32 first = begin; first < end; first += KEYS, stage ^= 1) {
        wait_copies<0>();
        // Everyone's part of this tile has arrived, and everyone is done with the stage that the next tile goes to.
        __syncthreads();
        fetch(first + KEYS, stage ^ 1);
        const bool is_seen = has_rows && first <= first_position + 15 && first + KEYS > first_seen(p.window, first_position);
        if (!is_seen) continue;
        const u32 keys = shared_address(ring + stage * 2 * TILE_BYTES);
        float scores[KEYS / 8][4];
        multiply_keys<T, HEAD, KEYS / 16>(scores, q, keys);
        const bool whole = first + KEYS - 1 <= first_position && (p.window == 0 || first > first_position + 15 - p.window);
        finish_scores<KEYS / 8>(scores, p, positions, slopes, first, !whole);
        weigh(scores, sums, state);
        multiply_values<T, HEAD, KEYS / 16>(sums, scores, keys + TILE_BYTES);
    }
    wait_copies<0>();

    join_totals(state);
    T* out = static_cast<T*>(p.out) + i64(tile.first_token) * p.out_stride + head * p.head_dim;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const i32 query = row + g + r * 8;
        if (query >= tile.queries) continue;
        const float factor = state.total[r] > 0 ? 1.f / state.total[r] : 0.f;
#pragma unroll
        for (int n = 0; n < HEAD / 8; n++) {
            const i32 column = n * 8 + t * 2;
            if (column >= p.head_dim) continue;
            *reinterpret_cast<u32*>(out + i64(query) * p.out_stride + column) =
                pack2<T>(sums[n][2 * r] * factor, sums[n][2 * r + 1] * factor);
        }
    }
}

#define PROMPT(HEAD, KEYS)                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, HEAD <= 128 ? 2 : 1) prompt_##HEAD##_f16(const __grid_constant__ AttentionParams p) {  \
        prompt<f16, HEAD, KEYS>(p);                                                                              \
    }                                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, HEAD <= 128 ? 2 : 1) prompt_##HEAD##_bf16(const __grid_constant__ AttentionParams p) { \
        prompt<bf16, HEAD, KEYS>(p);                                                                             \
    }

PROMPT(32, 64)
PROMPT(64, 64)
PROMPT(96, 64)
PROMPT(128, 64)
PROMPT(160, 32)
PROMPT(192, 32)
PROMPT(256, 32)
