// Attention of sequences that add one token each, f16 and bf16, over the paged cache, split over the context as in Flash-Decoding
// (Dao et al. 2023). Layouts and formulas are in params.cuh.
//
// Bound by memory: the context's keys and values are read once, 4 * context * head_dim bytes a key head. So the query heads that
// share a key head are the rows of one matrix product (up to 16; the rows that a smaller group lacks cost nothing that matters:
// 16 rows are 16 FLOPs a byte, a tenth of what tensor cores do in that time).
//
// Grid: (splits of the context, key heads, sequences). A block's warps take turns at tiles of 16 keys, each with its own ring of
// asynchronous copies and its own running maximum and sums: nothing in the loop waits for another warp. They are joined at the end,
// in order, then the splits: by the blocks of a cluster through distributed shared memory (one split is one block of it), or, where
// more splits are wanted than a cluster has blocks, by a second kernel.
#include "attention/decode.cuh"
#include "common/launch.cuh"

template <class T, int HEAD, int WARPS, int STAGES>
__device__ __forceinline__ void decode(const AttentionParams& p) {
    using Ring = TileRing<T, HEAD, WARPS, STAGES>;
    using Result = DecodeResult<HEAD, WARPS>;
    static_assert(Result::BYTES <= Ring::BYTES, "the result lies where the rings were");
    start_next();
    wait_for_inputs();
    DecodeWork work;
    if (!find_work(p, work)) return;
    const bool joins_later = p.partials != nullptr;
    if (joins_later && work.first_tile == work.last_tile) return;

    Ring ring(p, work, work.context);
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) ring.fetch(i);
    const DecodeQueries<HEAD> q = load_queries<T, HEAD>(p, work, dynamic_shared() + Ring::BYTES);

    RowState state;
    float sums[HEAD / 8][4];
    clear(sums);
    const DecodeRows rows(p, work);
    const i32 count = ring.count();
    for (i32 i = 0; i < count; i++) {
        ring.await();
        ring.fetch(i + STAGES - 1);
        attend_tile<T, HEAD>(p, work, rows, q, ring.keys(i), ring.values(i), ring.tile(i), state, sums);
    }

    const Result result(work.rows);
    result.join(state, sums);
    if (joins_later) {
        write_partial(p, work, result);
    } else if (p.splits == 1) {
        write_result<T>(p, work, result, 1);
    } else {
        cluster_arrive();
        cluster_wait();
        write_result<T>(p, work, result, p.splits);
        // A block's shared memory stays until all of the cluster have read it.
        cluster_arrive();
        cluster_wait();
    }
}

constexpr int MOST_SPLITS = 128;

// A block joins the splits of one head of one sequence, in order; a thread has one element.
template <class T>
__device__ __forceinline__ void join(const AttentionParams& p) {
    start_next();
    wait_for_inputs();
    __shared__ float weights[MOST_SPLITS];
    const i32 head = blockIdx.x, sequence = blockIdx.y;
    const i32 token = p.query_starts[sequence], context = p.context_lengths[sequence];
    if (p.query_starts[sequence + 1] - token != 1) return;
    // Splits that have tiles are neighbours; the others wrote nothing.
    const auto has_tiles = [&](i32 split) {
        i32 first, last;
        split_tiles(p, context, split, first, last);
        return first < last;
    };
    const i64 at = (i64(sequence) * p.heads + head) * p.splits;
    const float* stats = p.partials + i64(p.sequences) * p.heads * p.splits * p.head_dim + 2 * at;
    float largest = -INFINITE;
    for (i32 i = lane_id(); i < p.splits; i += WARP) {
        if (has_tiles(i)) largest = fmaxf(largest, stats[2 * i]);
    }
    largest = warp_max(largest);
    for (i32 i = threadIdx.x; i < p.splits; i += blockDim.x) {
        weights[i] = has_tiles(i) && largest > -INFINITE ? exp2_fast(stats[2 * i] - largest) : 0.f;
    }
    __syncthreads();
    i32 first = 0, last = p.splits;
    while (first < last && !has_tiles(first)) first++;
    while (last > first && !has_tiles(last - 1)) last--;
    const i32 column = threadIdx.x;
    if (column >= p.head_dim) return;
    const float* from = p.partials + at * p.head_dim + column;
    float sum = 0, total = 0;
#pragma unroll 4
    for (i32 i = first; i < last; i++) {
        sum = fmaf(weights[i], from[i64(i) * p.head_dim], sum);
        total = fmaf(weights[i], stats[2 * i + 1], total);
    }
    T* out = static_cast<T*>(p.out) + i64(token) * p.out_stride + head * p.head_dim;
    out[column] = from_float<T>(total > 0 ? sum * (1.f / total) : 0.f);
}

#define DECODE(HEAD, WARPS, STAGES)                                                                                             \
    extern "C" __global__ void __launch_bounds__(WARPS * WARP, 1) decode_##HEAD##_f16(const __grid_constant__ AttentionParams p) {  \
        decode<f16, HEAD, WARPS, STAGES>(p);                                                                                    \
    }                                                                                                                           \
    extern "C" __global__ void __launch_bounds__(WARPS * WARP, 1) decode_##HEAD##_bf16(const __grid_constant__ AttentionParams p) { \
        decode<bf16, HEAD, WARPS, STAGES>(p);                                                                                   \
    }

// Warps and stages are repeated in src/backend/cuda/launch/attention.ts; the rings take up to 99 KB.
DECODE(32, 4, 4)
DECODE(64, 4, 4)
DECODE(96, 4, 3)
DECODE(128, 4, 3)
DECODE(160, 4, 2)
DECODE(192, 4, 2)
DECODE(256, 2, 2)

extern "C" __global__ void __launch_bounds__(256) join_splits_f16(const __grid_constant__ AttentionParams p) { join<f16>(p); }
extern "C" __global__ void __launch_bounds__(256) join_splits_bf16(const __grid_constant__ AttentionParams p) { join<bf16>(p); }
