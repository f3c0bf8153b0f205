// `qkv-to-cache` and `attention` in one kernel, for steps in which every sequence adds one token: FasterTransformer's fused masked
// attention, paged, grouped and split. One launch fewer a layer, and neither queries nor the new key and value are read back.
//
// Work is divided as in decode.cu. While its first tiles of keys and values are on their way, a block normalises and turns the
// queries of its heads into a tile in shared memory. The block that has the context's last tile does the same with the new key,
// puts it and the new value into that tile and into the cache; so nobody reads from the cache what this launch writes. Bound by
// memory like decode.cu; the columns of q that a block reads are its own heads', once for each split.
#include "attention/decode.cuh"
#include "common/launch.cuh"
#include "qkv.cuh"

struct FusedDecodeParams {
    QkvParams qkv;
    AttentionParams attention;
};

constexpr int V = 8;

// Queries as left operands, read from a tile [16, HEAD] in shared memory where they do not fit into registers.
template <int HEAD, bool SHARED = (HEAD > 192)>
struct TileQueries {
    u32 address;
    __device__ __forceinline__ explicit TileQueries(const u8* tile) : address(shared_address(tile)) {}
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const {
        const int matrix = lane_id() / 8;
        load_matrices(a, address + TileLayout<HEAD>::offset(matrix % 2 * 8 + lane_id() % 8, 2 * k + matrix / 2));
    }
};
template <int HEAD>
struct TileQueries<HEAD, false> {
    u32 words[HEAD / 16][4];
    __device__ __forceinline__ explicit TileQueries(const u8* tile) {
        const TileQueries<HEAD, true> shared(tile);
#pragma unroll
        for (int k = 0; k < HEAD / 16; k++) shared.get(k, words[k]);
    }
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const {
#pragma unroll
        for (int i = 0; i < 4; i++) a[i] = words[k][i];
    }
};

// The new token's finished heads: queries [16, HEAD], placed by TileLayout, then its key and its value [HEAD] each.
template <class T, int HEAD>
struct NewToken {
    u8* queries;
    T* key;
    T* value;
    static constexpr int BYTES = MOST_ROWS * TileLayout<HEAD>::ROW_BYTES + 2 * HEAD * 2;

    __device__ __forceinline__ explicit NewToken(u8* memory)
        : queries(memory), key(reinterpret_cast<T*>(memory + MOST_ROWS * TileLayout<HEAD>::ROW_BYTES)), value(key + HEAD) {}

    // Rows that are no head of the group, and columns behind head_dim, are zeros. Ends with a barrier.
    __device__ __forceinline__ void compute(const QkvParams& p, const DecodeWork& work, bool has_last) const {
        const i32 member = threadIdx.x % p.group, groups = blockDim.x / p.group;
        const Place places[1] = {place_of<V>(p, member)};
        const Angles<V, 1> angles(p, work.token, places);
        const i32 slot = has_last ? p.slots[work.token] : -1;
        // Blocks that share the key head compute the same key and value; the first of them writes it.
        const bool writes = slot >= 0 && work.head == work.kv_head * (p.heads / p.kv_heads);
        const i64 row = ((i64(slot >> p.block_shift) * p.kv_heads + work.kv_head) << p.block_shift) + (slot & ((1 << p.block_shift) - 1));
        const i32 units = work.rows + (has_last ? 2 : 0);
        for (i32 base = 0; base < units; base += groups) {
            const i32 unit = base + i32(threadIdx.x) / p.group;
            const bool exists = unit < units;
            const HeadKind kind = unit < work.rows ? QUERY : unit == work.rows ? KEY : VALUE;
            const T* from = kind == QUERY ? static_cast<const T*>(p.q) + i64(work.token) * p.q_stride + (work.head + unit) * p.head_dim
                            : kind == KEY ? static_cast<const T*>(p.k) + i64(work.token) * p.k_stride + work.kv_head * p.head_dim
                                          : static_cast<const T*>(p.v) + i64(work.token) * p.v_stride + work.kv_head * p.head_dim;
            Head<T, V, 1> x;
            x.read(from, places, exists ? p.head_dim : 0);
            finish_head(p, x, kind, places, angles);
            if (!exists) continue;
            if (kind == QUERY) {
                if (places[0].first < p.head_dim) *query(unit, places[0].first / V) = packed(x.a[0]);
                if (places[0].second < p.head_dim) *query(unit, places[0].second / V) = packed(x.b[0]);
            } else {
                x.write(kind == KEY ? key : value, places, p.head_dim);
                T* cache = static_cast<T*>(kind == KEY ? p.key_cache : p.value_cache);
                if (writes) x.write(cache + row * p.head_dim, places, p.head_dim);
            }
        }
        constexpr i32 PIECES = HEAD / V;
        for (i32 i = threadIdx.x; i < MOST_ROWS * PIECES; i += blockDim.x) {
            if (i / PIECES >= work.rows || i % PIECES >= p.head_dim / V) *query(i / PIECES, i % PIECES) = {0, 0, 0, 0};
        }
        __syncthreads();
    }

    // Puts the new key and value into the row of a tile that the cache does not have yet. Called by one warp.
    __device__ __forceinline__ void patch(u8* keys, u8* values, i32 row, i32 head_dim) const {
        const i32 piece = lane_id();
        if (piece < head_dim / 8) {
            *reinterpret_cast<Words4*>(keys + TileLayout<HEAD>::offset(row, piece)) = reinterpret_cast<const Words4*>(key)[piece];
            *reinterpret_cast<Words4*>(values + TileLayout<HEAD>::offset(row, piece)) = reinterpret_cast<const Words4*>(value)[piece];
        }
        __syncwarp();
    }

  private:
    __device__ __forceinline__ Words4* query(i32 row, i32 piece) const {
        return reinterpret_cast<Words4*>(queries + TileLayout<HEAD>::offset(row, piece));
    }
    static __device__ __forceinline__ Words4 packed(const float (&x)[V]) {
        return {pack2<T>(x[0], x[1]), pack2<T>(x[2], x[3]), pack2<T>(x[4], x[5]), pack2<T>(x[6], x[7])};
    }
};

template <class T, int HEAD, int WARPS, int STAGES>
__device__ __forceinline__ void fused_decode(const FusedDecodeParams& params) {
    using Ring = TileRing<T, HEAD, WARPS, STAGES>;
    const AttentionParams& p = params.attention;
    start_next();
    wait_for_inputs();
    DecodeWork work;
    if (!find_work(p, work)) return;
    const bool is_empty = work.first_tile == work.last_tile;
    if (p.partials != nullptr && is_empty) return;

    const i32 position = work.context - 1;
    const bool has_last = !is_empty && work.last_tile * TILE_KEYS > position;
    Ring ring(p, work, position);
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) ring.fetch(i);
    const NewToken<T, HEAD> token(dynamic_shared() + Ring::BYTES);
    token.compute(params.qkv, work, has_last);
    const TileQueries<HEAD> q[1] = {TileQueries<HEAD>(token.queries)};

    RowState state;
    float sums[1][HEAD / 8][4];
    clear(sums[0]);
    const DecodeRows rows(p, work);
    const i32 count = ring.count();
    for (i32 i = 0; i < count; i++) {
        ring.await();
        ring.fetch(i + STAGES - 1);
        if (ring.tile(i) == position / TILE_KEYS) token.patch(ring.keys(i), ring.values(i), position % TILE_KEYS, p.head_dim);
        attend_tile<T, HEAD>(p, work, rows, q, ring.keys(i), ring.values(i), ring.tile(i), state, sums);
    }
    finish_decode<T, HEAD, WARPS>(p, work, state, sums[0]);
}

#define FUSED_DECODE(HEAD, WARPS, STAGES)                                                                                    \
    extern "C" __global__ void __launch_bounds__(WARPS * WARP, 1)                                                              \
        fused_decode_##HEAD##_f16(const __grid_constant__ FusedDecodeParams p) {                                             \
        fused_decode<f16, HEAD, WARPS, STAGES>(p);                                                                           \
    }                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(WARPS * WARP, 1)                                                              \
        fused_decode_##HEAD##_bf16(const __grid_constant__ FusedDecodeParams p) {                                            \
        fused_decode<bf16, HEAD, WARPS, STAGES>(p);                                                                          \
    }

FOR_DECODE_HEADS(FUSED_DECODE)
