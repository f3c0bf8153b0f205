// What feeds the skinny product: each warp's stream through the weight, and the copies of x (see skinny.cu).
#pragma once
#include "linear/product.cuh"

constexpr int WARPS = 8;
constexpr int STAGE_K = 128;
constexpr int STAGES = 2;
constexpr int LINE = STAGE_K * 2;       // bytes of one row in a stage

// Swizzle: rows are 256 bytes, and 8 lanes read 16 bytes each of 2 neighbouring rows at once. Odd rows have the halves of each
// 128 bytes swapped, so that those 8 lanes meet 32 different banks.
__device__ __forceinline__ u32 swizzled(u32 unit, u32 row) { return (unit ^ ((row & 1) << 2)) * 16; }

/// One warp's way through the weight: stage by stage of a tile's part of K, tile by tile.
template <class T, int ROW_TILES>
struct Stream {
    static constexpr int COPIES = ROW_TILES * 8;  // of 2 rows each
    static constexpr u32 BYTES = ROW_TILES * 16 * LINE;

    const LinearParams& p;
    const T* source;  // this lane's 16 bytes in the first row that it copies
    u32 valid;        // bit i: the row of copy i exists
    i32 k;            // first input of the next stage
    i32 begin, end;
    i32 tile, tile_step, tiles;

    __device__ __forceinline__ Stream(const LinearParams& params, i32 begin, i32 end, i32 first, i32 step, i32 count)
        : p(params), k(begin), begin(begin), end(end), tile(first), tile_step(step), tiles(count) {
        seek();
    }

    __device__ __forceinline__ i32 first_column() const { return tile * ROW_TILES * columns_of_tile(p); }

    __device__ __forceinline__ void seek() {
        valid = 0;
        const i32 lane = lane_id();
        const i32 first = first_column();
        source = static_cast<const T*>(p.weight) + i64(first + lane / 16) * p.inputs + (lane % 16) * 8;
        if (tile >= tiles) return;
#pragma unroll
        for (int i = 0; i < COPIES; i++) valid |= u32(weight_row(p, first, 2 * i + lane / 16) >= 0) << i;
    }

    /// Elements from the first copy's row to copy i's.
    __device__ __forceinline__ i64 offset(int i) const {
        if (!p.gated) return i64(2 * i) * p.inputs;
        const i32 row = (i / 8) * 8 + 2 * (i % 4);
        return i64(i % 8 >= 4 ? p.outputs + row : row) * p.inputs;
    }

    __device__ __forceinline__ void advance() {
        k += STAGE_K;
        if (k < end || tile >= tiles) return;
        k = begin;
        tile += tile_step;
        seek();
    }

    /// Copies the next stage to `stage`.
    __device__ __forceinline__ void fetch(u8* stage) {
        if (tile >= tiles) return;
        const u32 lane = lane_id();
        const bool inside = k + i32(lane % 16) * 8 < end;
        u8* to = stage + (lane / 16) * LINE + swizzled(lane % 16, lane / 16);
        const T* from = source + k;
#pragma unroll
        for (int i = 0; i < COPIES; i++) {
            const bool good = inside && (valid >> i & 1);
            copy_async16(to + i * 2 * LINE, good ? static_cast<const void*>(from + offset(i)) : p.weight, good);
        }
        advance();
    }

    /// Asks for the next stage to be in the second-level cache: a lane takes 128 bytes of row lane / 2.
    __device__ __forceinline__ void prefetch() {
        if (tile >= tiles) return;
        const i32 lane = lane_id();
        const i32 at = k + (lane % 2) * 64;
        const i32 first = first_column();
#pragma unroll
        for (int i = 0; i < ROW_TILES; i++) {
            const i32 row = weight_row(p, first, i * 16 + lane / 2);
            if (row < 0 || at >= end) continue;
            prefetch_l2(static_cast<const T*>(p.weight) + i64(row) * p.inputs + at);
        }
        advance();
    }
};

/// Copies x[first_token .. + tokens, k .. min(k + count, end)] to `to`: [blocks of 128 inputs, tokens, 256 bytes], zeros past the end.
template <class T>
__device__ __forceinline__ void fetch_x(const LinearParams& p, u8* to, i32 first_token, i32 tokens, i32 k, i32 count, i32 end) {
    const T* x = static_cast<const T*>(p.x);
    for (i32 token = warp_id(); token < tokens; token += WARPS) {
        const T* row = x + i64(first_token + token) * p.x_stride;
        for (i32 unit = lane_id(); unit < count / 8; unit += WARP) {
            const i32 at = k + unit * 8;
            u8* place = to + (unit / 16 * tokens + token) * LINE + swizzled(unit % 16, token);
            copy_async16(place, at < end ? row + at : x, at < end);
        }
    }
}
