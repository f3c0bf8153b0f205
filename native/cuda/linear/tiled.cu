// Products with many rows: out[M, N] = epilogue(x[M, K] weight[N, K]^T) (see product.cuh), 16-bit types, tensor cores of
// compute capability 8.0 and newer (mma.sync). Used where cuBLASLt is absent, and where a row's bits must not depend on M.
//
// Bound by arithmetic: 2 M N K FLOP. A block computes 128 weight rows times 128 tokens, a warp 64 times 32 of them; K comes in
// stages of 64 inputs through 3 buffers in shared memory (cp.async). For each 64 inputs a block reads 32 KB for 2 MFLOP.
//
// Weight rows are the rows of A and tokens the columns of B, and inputs stand inside an mma in the same order as in skinny.cu (16-byte
// words, 8 inputs a lane, no ldmatrix): a sum over a part of K has the same bits in both. `tiled_parts` also adds up the same parts
// of `slice` inputs in the same order, so that it gives a row the bits that skinny.cu gives it.
//
// Grid: x = tiles, tokens fastest: the blocks that run together read few weight rows and all of x, which stays in the second-level cache.
#include "linear/product.cuh"

constexpr int TILE = 128;     // weight rows, and tokens, of a block
constexpr int STAGE_K = 64;
constexpr int STAGES = 3;
constexpr int THREADS = 256;
constexpr int LINE = STAGE_K * 2;               // bytes of a row in a stage
constexpr u32 OPERAND = TILE * LINE;            // bytes of one operand's stage
constexpr int ROW_TILES = 4, TOKEN_TILES = 4;   // of a warp: 16 weight rows, 8 tokens each
constexpr int PITCH = TILE + 4;                 // floats of a token's sums

/// Copies rows of one operand: thread i takes the 16-byte word i % 8 of rows i / 8, i / 8 + 32, ...
template <class T>
struct Operand {
    const T* source;
    i32 step;          // elements from one of the thread's rows to the next
    u32 valid;         // bit i: row i exists
    u32 place;

    __device__ __forceinline__ void fetch(u8* stage, i32 k, i32 inputs) const {
        const u32 good = k + i32(threadIdx.x % 8) * 8 < inputs ? valid : 0;
        const T* from = source + k;
#pragma unroll
        for (int i = 0; i < TILE / 32; i++) {
            copy_async16(stage + place + i * 32 * LINE, good >> i & 1 ? from : source, good >> i & 1);
            from += step;
        }
    }
};

/// Where 16-byte word `unit` of a row stands: odd rows have their halves swapped, so that 8 lanes that read 4 words each of two
/// neighbouring rows meet 32 different banks.
__device__ __forceinline__ u32 place_of(u32 row, u32 unit) { return row * LINE + (unit ^ ((row & 1) << 2)) * 16; }

template <class T, bool PARTS>
__device__ __forceinline__ void tiled(const LinearParams& p) {
    extern __shared__ __align__(128) u8 memory[];
    const i32 lane = lane_id();
    const u32 g = lane / 4, t = lane % 4;
    const i32 row_part = warp_id() % 2, token_part = warp_id() / 2;
    const i32 token_tiles = ceil_div(p.rows, TILE);
    const i32 first_token = i32(blockIdx.x) % token_tiles * TILE;
    const i32 first = i32(blockIdx.x) / token_tiles * (p.gated ? TILE / 2 : TILE);
    const i32 steps = ceil_div(p.inputs, STAGE_K);
    start_next();

    const i32 my_row = threadIdx.x / 8;
    const i32 my_unit = threadIdx.x % 8;
    Operand<T> weight = {nullptr, (p.gated ? 16 : 32) * p.inputs, 0, place_of(my_row, my_unit)};
    Operand<T> x = {nullptr, 32 * p.x_stride, 0, place_of(my_row, my_unit)};
#pragma unroll
    for (int i = 0; i < TILE / 32; i++) {
        weight.valid |= u32(weight_row(p, first, my_row + i * 32) >= 0) << i;
        x.valid |= u32(first_token + my_row + i * 32 < p.rows) << i;
    }
    weight.source = static_cast<const T*>(p.weight) + i64(max(weight_row(p, first, my_row), 0)) * p.inputs + my_unit * 8;
    x.source = static_cast<const T*>(p.x) + i64(min(first_token + my_row, p.rows - 1)) * p.x_stride + my_unit * 8;

    // Weights depend on nothing.
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) weight.fetch(memory + s * 2 * OPERAND, s * STAGE_K, p.inputs);
    wait_for_inputs();
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        x.fetch(memory + s * 2 * OPERAND + OPERAND, s * STAGE_K, p.inputs);
        commit_copies();
    }

    float sums[ROW_TILES][TOKEN_TILES][4] = {};
    float parts[PARTS ? ROW_TILES : 1][TOKEN_TILES][4] = {};
    i32 part_end = p.slice;
    const u32 base = shared_address(memory);
    // Rows g and g + 8 of a tile, and token g of one, are odd together.
    const u32 flip = (g & 1) * 64;
    const u32 a_at = base + (row_part * 64 + g) * LINE + t * 16;
    const u32 b_at = base + OPERAND + (token_part * 32 + g) * LINE + t * 16;
    u32 now = 0, next = STAGES - 1;
    for (i32 step = 0; step < steps; step++) {
        wait_copies<STAGES - 2>();
        __syncthreads();
        u8* stage = memory + next * 2 * OPERAND;
        weight.fetch(stage, (step + STAGES - 1) * STAGE_K, p.inputs);
        x.fetch(stage + OPERAND, (step + STAGES - 1) * STAGE_K, p.inputs);
        commit_copies();
        if constexpr (PARTS) {
            if (step * STAGE_K == part_end) {
#pragma unroll
                for (int r = 0; r < ROW_TILES; r++) {
#pragma unroll
                    for (int j = 0; j < TOKEN_TILES; j++) {
#pragma unroll
                        for (int i = 0; i < 4; i++) {
                            parts[r][j][i] = part_end == p.slice ? sums[r][j][i] : parts[r][j][i] + sums[r][j][i];
                            sums[r][j][i] = 0.f;
                        }
                    }
                }
                part_end += p.slice;
            }
        }
#pragma unroll
        for (int h = 0; h < STAGE_K / 32; h++) {
            const u32 half = now * 2 * OPERAND + (h ? 64 - flip : flip);
            Words4 b[TOKEN_TILES];
#pragma unroll
            for (int j = 0; j < TOKEN_TILES; j++) b[j] = load_shared16(b_at + half + j * 8 * LINE);
#pragma unroll
            for (int r = 0; r < ROW_TILES; r++) {
                const Words4 low = load_shared16(a_at + half + r * 16 * LINE);
                const Words4 high = load_shared16(a_at + half + (r * 16 + 8) * LINE);
#pragma unroll
                for (int j = 0; j < TOKEN_TILES; j++) {
                    mma16816<T>(sums[r][j], low.x, high.x, low.y, high.y, b[j].x, b[j].y);
                }
#pragma unroll
                for (int j = 0; j < TOKEN_TILES; j++) {
                    mma16816<T>(sums[r][j], low.z, high.z, low.w, high.w, b[j].z, b[j].w);
                }
            }
        }
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    wait_copies<0>();
    __syncthreads();

    // D[row g or g + 8][token 2 t or 2 t + 1], by way of shared memory, so that rows of out are written 16 bytes at a time.
    float* staged = reinterpret_cast<float*>(memory);
#pragma unroll
    for (int r = 0; r < ROW_TILES; r++) {
#pragma unroll
        for (int j = 0; j < TOKEN_TILES; j++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float sum = sums[r][j][i];
                if constexpr (PARTS) sum = part_end == p.slice ? sum : parts[r][j][i] + sum;
                const i32 token = token_part * 32 + j * 8 + t * 2 + i % 2;
                staged[token * PITCH + row_part * 64 + r * 16 + g + i / 2 * 8] = sum;
            }
        }
    }
    __syncthreads();
    finish_tile<T, TILE, TILE, PITCH, THREADS>(p, staged, first_token, first);
}

#define TILED(NAME, T, PARTS, BLOCKS)                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) NAME(const __grid_constant__ LinearParams p) { \
        tiled<T, PARTS>(p);                                                                                \
    }
TILED(tiled_f16, f16, false, 2)
TILED(tiled_bf16, bf16, false, 2)
TILED(tiled_parts_f16, f16, true, 1)
TILED(tiled_parts_bf16, bf16, true, 1)
