// Products with few rows: out[M, N] = epilogue(x[M, K] weight[N, K]^T) for M <= 64 (see product.cuh), 16-bit types.
//
// Bound by reading the weight once, N * K * 2 bytes. To keep the memory busy, a multiprocessor must have 32 KB or more under way
// at all times (4.6 TB/s * 0.9 us / 132 multiprocessors), also while kernels change over. So:
//   - Each of a block's 8 warps streams its own tile of 16 (or 32) weight rows through its own ring in shared memory: 2 stages of
//     128 inputs, 256 consecutive bytes a row, refilled as soon as they are used. No barrier of the block is in the way.
//   - Weights depend on nothing: the ring is filled, and the stages after it are fetched into the second-level cache, before
//     wait_for_inputs(). The shared memory is small enough for the blocks of two kernels to be on a multiprocessor at once.
//   - Tensor cores for every M: weight rows are the 16 rows of A, tokens the 8 columns of B. The order of inputs inside an mma
//     is free: lane (g, t) loads inputs 8 t .. 8 t + 7 of 32 as one 16-byte word of rows g and g + 8 and of token g, which
//     is two mmas without a shuffle.
//   - K is cut into `splits` parts (1, 2, 4, 8) by the blocks of a cluster, so that narrow weights fill the chip too. Each
//     block sends its sums to the block that finishes a tile, through distributed shared memory; they are added in the order of the parts.
//     Without clusters (before compute capability 9.0), the sums go to `partial` and epilogue.cu adds them.
// x stays in shared memory where the block's part of it fits; else it streams through two buffers of `x_chunk` inputs.
//
// A token's sums do not depend on the tokens beside it: the parts, the order within a part and within an mma are the same for
// every M, every tile of tokens and every number of groups.
//
// Grid: x = groups * splits, part = x % splits; y = tiles of tokens. Tiles of rows go round the groups, then round the warps.
#include "common/cluster.cuh"
#include "linear/product.cuh"

constexpr int WARPS = 8;
constexpr int STAGE_K = 128;
constexpr int STAGES = 2;
constexpr int LINE = STAGE_K * 2;       // bytes of one row in a stage
constexpr int PASS = 8;                 // tokens whose sums are exchanged at once

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

template <class T, int TOKEN_TILES, int ROW_TILES>
__device__ __forceinline__ void skinny(const LinearParams& p) {
    constexpr int ROWS = ROW_TILES * 16;
    constexpr int PITCH = ROWS + 4;  // floats of a token's sums: 8 rows times 4 tokens meet different banks
    constexpr u32 STAGE = ROWS * LINE;
    constexpr int EXCHANGE = WARPS * PASS * PITCH;

    extern __shared__ __align__(128) u8 memory[];
    const i32 warp = warp_id();
    const i32 lane = lane_id();
    const u32 g = lane / 4, t = lane % 4;

    u8* ring = memory + warp * STAGES * STAGE;
    float* exchange = reinterpret_cast<float*>(memory + WARPS * STAGES * STAGE);
    u8* xs = reinterpret_cast<u8*>(exchange + 2 * EXCHANGE);

    const i32 part = i32(blockIdx.x) % p.splits;
    const i32 group = i32(blockIdx.x) / p.splits;
    const i32 first_token = i32(blockIdx.y) * TOKEN_TILES * 8;
    const i32 tokens = min(p.rows - first_token, TOKEN_TILES * 8);
    const i32 begin = min(part * p.slice, p.inputs);
    const i32 end = min(begin + p.slice, p.inputs);
    const i32 steps = ceil_div(end - begin, STAGE_K);
    const i32 tile_columns = ROW_TILES * columns_of_tile(p);
    const i32 tiles = ceil_div(p.outputs, tile_columns);
    const i32 rounds = ceil_div(tiles, p.groups * WARPS);
    const bool in_cluster = p.splits > 1 && !p.partial;

    start_next();
    if (in_cluster) cluster_arrive();

    Stream<T, ROW_TILES> stream(p, begin, end, warp * p.groups + group, WARPS * p.groups, steps > 0 ? tiles : 0);
#pragma unroll
    for (int s = 0; s < STAGES; s++) {
        stream.fetch(ring + s * STAGE);
        commit_copies();
    }
    {
        Stream<T, ROW_TILES> ahead = stream;
        for (i32 s = 0; s < p.prefetch; s++) ahead.prefetch();
    }
    wait_for_inputs();

    // Chunks of x: all of the part at once where it fits, else two buffers in turn.
    const i32 chunk_steps = p.x_chunk / STAGE_K;
    const bool resident = chunk_steps >= steps;
    const u32 chunk_bytes = u32(p.x_chunk / STAGE_K) * tokens * LINE;
    fetch_x<T>(p, xs, first_token, tokens, begin, min(p.x_chunk, steps * STAGE_K), end);
    commit_copies();
    __syncwarp();
    if (in_cluster) cluster_wait();

    // Where this lane reads: its rows of the weight, and its token of each tile of tokens (past the last token, the last one's).
    const u32 ring_address = shared_address(ring) + g * LINE + t * 16;
    const u32 xs_address = shared_address(xs) + t * 16;
    const u32 flip = (g & 1) * 64;
    u32 token_at[TOKEN_TILES];
    u32 token_flip[TOKEN_TILES];
#pragma unroll
    for (int j = 0; j < TOKEN_TILES; j++) {
        const u32 token = min(j * 8 + i32(g), tokens - 1);
        token_at[j] = token * LINE;
        token_flip[j] = (token & 1) * 64;
    }

    u32 slot = 0;        // stage of the ring that comes next
    i32 buffer = 0;      // of x
    u32 pass = 0;        // exchanges so far: two buffers take turns
    i32 last_steps = 0;  // stages since x was last asked for
    for (i32 round = 0; round < rounds; round++) {
        const bool active = (round * WARPS + warp) * p.groups + group < tiles;
        float sums[ROW_TILES][TOKEN_TILES][4] = {};

        for (i32 done = 0; done < steps; done += chunk_steps) {
            const i32 todo = min(chunk_steps, steps - done);
            if (round == 0 && done == 0) {
                wait_copies<0>();
                __syncthreads();
            } else if (!resident) {
                // The chunk was asked for last_steps stages ago, so at least that many groups of copies came after it.
                if (last_steps < STAGES) wait_copies<0>();
                else wait_copies<STAGES - 1>();
                __syncthreads();
                buffer ^= 1;
            }
            if (!resident) {
                // All warps have left the other buffer: the next chunk, of this round or the next, may come.
                const bool wraps = done + chunk_steps >= steps;
                const i32 next = wraps ? 0 : done + chunk_steps;
                if (!wraps || round + 1 < rounds) {
                    const i32 count = min(chunk_steps, steps - next) * STAGE_K;
                    u8* to = xs + (buffer ^ 1) * chunk_bytes;
                    fetch_x<T>(p, to, first_token, tokens, begin + next * STAGE_K, count, end);
                }
                last_steps = todo;
            }
            u32 x_at = xs_address + buffer * chunk_bytes;
            for (i32 step = 0; step < todo; step++) {
                wait_copies<STAGES - 1>();
                __syncwarp();
                if (active) {
                    const u32 stage = ring_address + slot * STAGE;
#pragma unroll
                    for (int h = 0; h < STAGE_K / 32; h++) {
                        Words4 a[ROW_TILES][2];
#pragma unroll
                        for (int r = 0; r < ROW_TILES; r++) {
                            const u32 row = stage + r * 16 * LINE + h / 2 * 128 + (h % 2 ? 64 - flip : flip);
                            a[r][0] = load_shared16(row);
                            a[r][1] = load_shared16(row + 8 * LINE);
                        }
#pragma unroll
                        for (int j = 0; j < TOKEN_TILES; j++) {
                            const u32 half = h % 2 ? 64 - token_flip[j] : token_flip[j];
                            const Words4 b = load_shared16(x_at + token_at[j] + h / 2 * 128 + half);
#pragma unroll
                            for (int r = 0; r < ROW_TILES; r++) {
                                const Words4 &low = a[r][0], &high = a[r][1];
                                mma16816<T>(sums[r][j], low.x, high.x, low.y, high.y, b.x, b.y);
                                mma16816<T>(sums[r][j], low.z, high.z, low.w, high.w, b.z, b.w);
                            }
                        }
                    }
                }
                __syncwarp();
                stream.fetch(ring + slot * STAGE);
                commit_copies();
                slot = slot + 1 == STAGES ? 0 : slot + 1;
                x_at += tokens * LINE;
            }
        }

        // Sums: D[row g or g + 8][token 2 t or 2 t + 1].
        if (p.partial) {
            if (!active) continue;
            const i32 first = ((round * WARPS + warp) * p.groups + group) * tile_columns;
            const i32 width = weight_rows(p);
#pragma unroll
            for (int r = 0; r < ROW_TILES; r++) {
#pragma unroll
                for (int j = 0; j < TOKEN_TILES; j++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const i32 token = j * 8 + t * 2 + i % 2;
                        const i32 row = weight_row(p, first, r * 16 + g + i / 2 * 8);
                        if (token >= tokens || row < 0) continue;
                        p.partial[(i64(part) * p.rows + first_token + token) * width + row] = sums[r][j][i];
                    }
                }
            }
            continue;
        }
        // Through shared memory to the warp, or the block of the cluster, that finishes the tile: [source, slot, token, row].
        const i32 slots = WARPS / p.splits;
        const i32 to_block = warp % p.splits;
        const i32 to_slot = part * slots + warp / p.splits;
#pragma unroll
        for (int j = 0; j < TOKEN_TILES; j++) {
            if (j * PASS >= tokens) break;
            float* const received = exchange + (pass++ & 1) * EXCHANGE;
            float* const mine = received + (in_cluster ? to_slot : warp) * PASS * PITCH;
            const i32 count = min(tokens - j * PASS, PASS);
            if (active) {
                const u32 at = shared_address(mine + 2 * t * PITCH + g);
                const u32 to = in_cluster ? address_in(to_block, at) : at;
#pragma unroll
                for (int r = 0; r < ROW_TILES; r++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const u32 step = (i % 2 * PITCH + r * 16 + i / 2 * 8);
                        if (in_cluster) store_remote(to + step * 4, sums[r][j][i]);
                        else mine[2 * t * PITCH + g + step] = sums[r][j][i];
                    }
                }
            }
            i32 first_item = lane, item_step = WARP, tiles_here = 1;
            __syncwarp();
            if (in_cluster) {
                // One barrier an exchange: a block that has passed the next one has read all of this buffer.
                cluster_arrive();
                cluster_wait();
                first_item = threadIdx.x;
                item_step = WARPS * WARP;
                tiles_here = slots;
            } else if (!active) {
                continue;
            }
            // An item is one number of out: columns of a tile, then tokens, then tiles.
            const i32 per_tile = count * tile_columns;
            for (i32 item = first_item; item < tiles_here * per_tile; item += item_step) {
                const i32 here = item / per_tile;
                const i32 token = item % per_tile / tile_columns;
                const i32 column = item % tile_columns;
                const i32 of_warp = in_cluster ? here * p.splits + part : warp;
                const i32 tile = (round * WARPS + of_warp) * p.groups + group;
                const i32 out_column = tile * tile_columns + column;
                if (tile >= tiles || out_column >= p.outputs) continue;
                const i32 row = p.gated ? column / 8 * 16 + column % 8 : column;
                const float* from = received + ((in_cluster ? here : warp) * PASS + token) * PITCH + row;
                float sum = from[0];
                float up = p.gated ? from[8] : 0.f;
                for (i32 s = 1; s < (in_cluster ? p.splits : 1); s++) {
                    from += slots * PASS * PITCH;
                    sum += from[0];
                    if (p.gated) up += from[8];
                }
                finish<T>(p, sum, up, first_token + j * PASS + token, out_column);
            }
            __syncwarp();
        }
    }
    wait_copies<0>();
}

#define SKINNY(NAME, T, TOKEN_TILES, ROW_TILES, BLOCKS)                                                     \
    extern "C" __global__ void __launch_bounds__(WARPS* WARP, BLOCKS) NAME(const __grid_constant__ LinearParams p) { \
        skinny<T, TOKEN_TILES, ROW_TILES>(p);                                                              \
    }
SKINNY(skinny_8_f16, f16, 1, 1, 2)
SKINNY(skinny_16_f16, f16, 2, 1, 2)
SKINNY(skinny_32_f16, f16, 4, 1, 2)
SKINNY(skinny_64_f16, f16, 8, 2, 1)
SKINNY(skinny_8_bf16, bf16, 1, 1, 2)
SKINNY(skinny_16_bf16, bf16, 2, 1, 2)
SKINNY(skinny_32_bf16, bf16, 4, 1, 2)
SKINNY(skinny_64_bf16, bf16, 8, 2, 1)
