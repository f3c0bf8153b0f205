// Tiles of keys and values in shared memory, and the products of one warp with them: 16 rows of queries, m16n8k16 (mma.cuh).
#pragma once
#include "attention/params.cuh"
#include "common/mma.cuh"

/// Rows of HEAD 16-bit numbers so placed that the eight rows of a matrix load lie in different banks: where a row is a multiple of
/// 128 bytes its 16-byte pieces are permuted by the row's number, else rows are 16 bytes longer, an odd number of pieces.
template <int HEAD>
struct TileLayout {
    static constexpr int PIECES = HEAD / 8;
    static constexpr bool PERMUTED = HEAD % 64 == 0;
    static constexpr int ROW_BYTES = 2 * HEAD + (PERMUTED ? 0 : 16);
    static __device__ __forceinline__ u32 offset(int row, int piece) {
        return row * ROW_BYTES + (PERMUTED ? piece ^ (row & 7) : piece) * 16;
    }
};

/// A warp's 16 queries as left operands: in registers, or, of heads so long that they and the sums do not both fit, in shared
/// memory as each lane will want them back. `member` of `members` lanes keep theirs apart.
template <int HEAD, bool SHARED>
struct QueryFragments {
    u32 words[HEAD / 16][4];
    __device__ __forceinline__ QueryFragments(u8*, int, int) {}
    __device__ __forceinline__ void set(int k, int i, u32 word) { words[k][i] = word; }
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const {
#pragma unroll
        for (int i = 0; i < 4; i++) a[i] = words[k][i];
    }
};
template <int HEAD>
struct QueryFragments<HEAD, true> {
    /// [HEAD / 16, members, 4]
    u32* mine;
    int stride;
    __device__ __forceinline__ QueryFragments(u8* memory, int member, int members)
        : mine(reinterpret_cast<u32*>(memory) + 4 * member), stride(4 * members) {}
    __device__ __forceinline__ void set(int k, int i, u32 word) { mine[k * stride + i] = word; }
    __device__ __forceinline__ void get(int k, u32 (&a)[4]) const {
        const Words4 words = *reinterpret_cast<const Words4*>(mine + k * stride);
        a[0] = words.x, a[1] = words.y, a[2] = words.z, a[3] = words.w;
    }
};

/// Scores of 16 queries and 16 * PAIRS keys, the first at `keys` in shared memory: scores[2 i], scores[2 i + 1] are D of keys 16 i ...
template <class T, int HEAD, int PAIRS, class Queries>
__device__ __forceinline__ void multiply_keys(float (&scores)[2 * PAIRS][4], const Queries& q, u32 keys) {
    using Layout = TileLayout<HEAD>;
    const int matrix = lane_id() / 8;
    const int row = matrix / 2 * 8 + lane_id() % 8, piece = matrix % 2;
#pragma unroll
    for (int n = 0; n < 2 * PAIRS; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = 0;
    }
#pragma unroll
    for (int k = 0; k < HEAD / 16; k++) {
        u32 a[4];
        q.get(k, a);
#pragma unroll
        for (int n = 0; n < PAIRS; n++) {
            u32 b[4];
            load_matrices(b, keys + Layout::offset(n * 16 + row, 2 * k + piece));
            mma16816<T>(scores[2 * n], a[0], a[1], a[2], a[3], b[0], b[1]);
            mma16816<T>(scores[2 * n + 1], a[0], a[1], a[2], a[3], b[2], b[3]);
        }
    }
}

/// sums += weights * values, the weights in the registers that held the scores.
template <class T, int HEAD, int PAIRS>
__device__ __forceinline__ void multiply_values(float (&sums)[HEAD / 8][4], const float (&weights)[2 * PAIRS][4], u32 values) {
    using Layout = TileLayout<HEAD>;
    const int matrix = lane_id() / 8;
    const int row = matrix % 2 * 8 + lane_id() % 8, piece = matrix / 2;
#pragma unroll
    for (int k = 0; k < PAIRS; k++) {
        const u32 a0 = pack2<T>(weights[2 * k][0], weights[2 * k][1]), a1 = pack2<T>(weights[2 * k][2], weights[2 * k][3]);
        const u32 a2 = pack2<T>(weights[2 * k + 1][0], weights[2 * k + 1][1]), a3 = pack2<T>(weights[2 * k + 1][2], weights[2 * k + 1][3]);
#pragma unroll
        for (int n = 0; n < HEAD / 16; n++) {
            u32 b[4];
            load_matrices_transposed(b, values + Layout::offset(k * 16 + row, 2 * n + piece));
            mma16816<T>(sums[2 * n], a0, a1, a2, a3, b[0], b[1]);
            mma16816<T>(sums[2 * n + 1], a0, a1, a2, a3, b[2], b[3]);
        }
    }
}

/// Largest score and sum of weights of this lane's two rows (lane / 4 and eight below it).
struct RowState {
    float largest[2] = {-INFINITE, -INFINITE};
    float total[2] = {0, 0};
};

/// Dot products become scores (see params.cuh). Row r of this lane has position positions[r] and slope slopes[r]; column n * 8 + 2 t
/// is key first + n * 8 + 2 t. Unless `masked` is false, keys that are not seen get minus infinity.
template <int TILES>
__device__ __forceinline__ void finish_scores(float (&scores)[TILES][4], const AttentionParams& p, const i32 (&positions)[2],
                                              const float (&slopes)[2], i32 first, bool masked) {
    const i32 column = first + lane_id() % 4 * 2;
    if (p.soft_cap != 0) {
        const float inner = p.scale / p.soft_cap, outer = p.soft_cap * LOG2_E;
#pragma unroll
        for (int n = 0; n < TILES; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] = outer * tanh_fast(scores[n][i] * inner);
        }
    } else {
        const float scale = p.scale * LOG2_E;
#pragma unroll
        for (int n = 0; n < TILES; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) scores[n][i] *= scale;
        }
    }
    if (p.alibi) {
#pragma unroll
        for (int n = 0; n < TILES; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                scores[n][i] += LOG2_E * alibi_bias(p, slopes[i / 2], positions[i / 2], column + n * 8 + i % 2);
            }
        }
    }
    if (masked) {
#pragma unroll
        for (int n = 0; n < TILES; n++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                if (!sees(p.window, positions[i / 2], column + n * 8 + i % 2)) scores[n][i] = -INFINITE;
            }
        }
    }
}

/// Online softmax (Milakov and Gimelshein 2018): scores become weights relative to the largest score so far, and what was summed
/// before is scaled to it. A lane's total counts only its own columns until `join_totals`.
template <int TILES, int SUMS>
__device__ __forceinline__ void weigh(float (&scores)[TILES][4], float (&sums)[SUMS][4], RowState& state) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float largest = state.largest[r];
#pragma unroll
        for (int n = 0; n < TILES; n++) largest = fmaxf(largest, fmaxf(scores[n][2 * r], scores[n][2 * r + 1]));
        largest = warp_max<4>(largest);
        // A row that has seen no key yet keeps minus infinity; its weights must be zeros, not NaN.
        const float base = largest == -INFINITE ? 0.f : largest;
        const float keep = exp2_fast(state.largest[r] - base);
        state.largest[r] = largest;
        float total = 0;
#pragma unroll
        for (int n = 0; n < TILES; n++) {
#pragma unroll
            for (int i = 2 * r; i < 2 * r + 2; i++) {
                scores[n][i] = exp2_fast(scores[n][i] - base);
                total += scores[n][i];
            }
        }
        state.total[r] = state.total[r] * keep + total;
#pragma unroll
        for (int n = 0; n < SUMS; n++) {
            sums[n][2 * r] *= keep;
            sums[n][2 * r + 1] *= keep;
        }
    }
}

__device__ __forceinline__ void join_totals(RowState& state) {
    state.total[0] = warp_sum<4>(state.total[0]);
    state.total[1] = warp_sum<4>(state.total[1]);
}
