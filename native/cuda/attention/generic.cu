// Attention in single precision for what the tensor-core kernels do not take: f32, and head sizes that are no multiple of 8.
// Any head size up to 256; see params.cuh for layouts and formulas.
//
// A block has 16 queries of one head and goes through the keys they see in tiles of 32, with the online softmax of Milakov and
// Gimelshein (2018) as in FlashAttention (Dao et al. 2022). Queries, keys and values lie in shared memory as floats. Eight
// neighbouring lanes own a query: of a tile's scores each computes every eighth, of the output every eighth element, whose sums
// stay in registers. Bound by shared memory (one load for a product of the second sum); correct first. Tiles begin at multiples of
// 32 keys and a row's sums run in one order, so that a row's result depends on nothing but its own sequence.
#include "common/launch.cuh"
#include "common/shared.cuh"
#include "attention/params.cuh"

constexpr int QUERIES = 16;
constexpr int KEYS = 32;
constexpr int LANES = 8;
constexpr int THREADS = QUERIES * LANES;
constexpr int MOST = 256 / LANES;

__device__ __forceinline__ float lanes_max(float x) { return warp_max<LANES>(x); }
__device__ __forceinline__ float lanes_sum(float x) { return warp_sum<LANES>(x); }

template <class T>
__device__ __forceinline__ void attend(const AttentionParams& p) {
    start_next();
    wait_for_inputs();
    QueryTile tile;
    if (!find_tile(p, blockIdx.y, QUERIES, tile)) return;

    // One more float in a row of queries and keys: neighbouring rows begin in neighbouring banks.
    const i32 dim = p.head_dim, row = dim + 1;
    float* queries = reinterpret_cast<float*>(dynamic_shared());
    float* keys = queries + QUERIES * row;
    float* values = keys + KEYS * row;
    float* weights = values + KEYS * dim;  // [QUERIES, KEYS]

    const i32 head = blockIdx.x, kv_head = head / (p.heads / p.kv_heads);
    const T* q = static_cast<const T*>(p.q) + i64(tile.first_token) * p.q_stride + head * dim;
    for (i32 i = threadIdx.x; i < QUERIES * dim; i += THREADS) {
        const i32 r = i / dim;
        queries[r * row + i % dim] = r < tile.queries ? to_float(q[i64(r) * p.q_stride + i % dim]) : 0.f;
    }

    const i32 query = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    const i32 position = tile.first_position + query;
    const float slope = p.alibi ? p.alibi[head] : 0.f;
    const i32* table = p.block_tables + i64(tile.sequence) * p.table_stride;
    float sums[MOST];
#pragma unroll
    for (int k = 0; k < MOST; k++) sums[k] = 0;
    float largest = -INFINITE, total = 0;

    const i32 end = min(tile.context, tile.first_position + tile.queries);
    for (i32 first = first_seen(p.window, tile.first_position) / KEYS * KEYS; first < end; first += KEYS) {
        __syncthreads();
        for (i32 i = threadIdx.x; i < KEYS * dim; i += THREADS) {
            const i32 r = i / dim, column = i % dim, j = first + r;
            const bool exists = j < end;
            const i64 at = exists ? cache_row(p, table, kv_head, j) * dim + column : 0;
            keys[r * row + column] = exists ? to_float(static_cast<const T*>(p.keys)[at]) : 0.f;
            values[i] = exists ? to_float(static_cast<const T*>(p.values)[at]) : 0.f;
        }
        __syncthreads();

        float scores[KEYS / LANES];
        float tile_largest = -INFINITE;
#pragma unroll
        for (int k = 0; k < KEYS / LANES; k++) {
            const i32 j = first + lane + k * LANES;
            const float* a = queries + query * row;
            const float* b = keys + (lane + k * LANES) * row;
            float dot = 0;
            for (i32 i = 0; i < dim; i++) dot = fmaf(a[i], b[i], dot);
            float score = p.scale * dot;
            if (p.soft_cap != 0) score = p.soft_cap * tanhf(score / p.soft_cap);
            if (p.alibi) score += alibi_bias(p, slope, position, j);
            scores[k] = j < end && sees(p.window, position, j) ? score : -INFINITE;
            tile_largest = fmaxf(tile_largest, scores[k]);
        }
        const float before = largest;
        largest = fmaxf(largest, lanes_max(tile_largest));
        const float base = largest == -INFINITE ? 0.f : largest;
        const float keep = exp2f((before - base) * LOG2_E);
        float tile_total = 0;
#pragma unroll
        for (int k = 0; k < KEYS / LANES; k++) {
            const float weight = exp2f((scores[k] - base) * LOG2_E);
            weights[query * KEYS + lane + k * LANES] = weight;
            tile_total += weight;
        }
        total = total * keep + lanes_sum(tile_total);
        __syncwarp();
#pragma unroll
        for (int k = 0; k < MOST; k++) {
            const i32 column = lane + k * LANES;
            if (column < dim) {
                float sum = sums[k] * keep;
                for (i32 r = 0; r < KEYS; r++) sum = fmaf(weights[query * KEYS + r], values[r * dim + column], sum);
                sums[k] = sum;
            }
        }
    }

    if (query >= tile.queries) return;
    const float factor = total > 0 ? 1.f / total : 0.f;
    T* out = static_cast<T*>(p.out) + i64(tile.first_token + query) * p.out_stride + head * dim;
#pragma unroll
    for (int k = 0; k < MOST; k++) {
        const i32 column = lane + k * LANES;
        if (column < dim) out[column] = from_float<T>(sums[k] * factor);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_f32(const __grid_constant__ AttentionParams p) { attend<float>(p); }
extern "C" __global__ void __launch_bounds__(THREADS) attention_f16(const __grid_constant__ AttentionParams p) { attend<f16>(p); }
extern "C" __global__ void __launch_bounds__(THREADS) attention_bf16(const __grid_constant__ AttentionParams p) { attend<bf16>(p); }
