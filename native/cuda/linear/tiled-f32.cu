// Products with many rows in true float32 (see product.cuh): no tensor cores, whose float32 mode rounds operands to 10 bits.
//
// Bound by arithmetic: M N K fused multiply-adds. A block computes 128 weight rows times 128 tokens, a thread 8 times 8 of them;
// K comes in stages of 16 inputs through 3 buffers in shared memory (cp.async). A thread reads 4 inputs of a row at once: 16 loads of
// 16 bytes for 256 multiply-adds. Rows are padded to 20 floats, so that 8 neighbouring rows meet 32 different banks.
// A sum runs over ascending inputs, whatever M.
//
// Grid: x = tiles, tokens fastest.
#include "linear/product.cuh"

constexpr int TILE = 128;
constexpr int STAGE_K = 16;
constexpr int STAGES = 3;
constexpr int THREADS = 256;
constexpr int ROW = STAGE_K + 4;                 // floats of a row in a stage
constexpr int OPERAND = TILE * ROW;              // floats of one operand's stage
constexpr int PITCH = TILE + 4;                  // floats of a token's sums
constexpr int SIDE = 8;

/// Copies rows of one operand: thread i takes the 16-byte word i % 4 of rows i / 4 and i / 4 + 64.
struct Operand {
    const float* source[2];
    bool valid[2];
    const void* base;  // any address that may be read

    __device__ __forceinline__ void fetch(float* stage, i32 k, i32 inputs) const {
        const i32 word = threadIdx.x % 4;
        const bool inside = k + word * 4 < inputs;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const bool good = inside && valid[i];
            float* to = stage + (i32(threadIdx.x) / 4 + i * 64) * ROW + word * 4;
            copy_async16(to, good ? static_cast<const void*>(source[i] + k) : base, good);
        }
    }
};

__device__ __forceinline__ void load4(float (&to)[4], u32 address) {
    const Words4 words = load_shared16(address);
    to[0] = __uint_as_float(words.x);
    to[1] = __uint_as_float(words.y);
    to[2] = __uint_as_float(words.z);
    to[3] = __uint_as_float(words.w);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) tiled_f32(const __grid_constant__ LinearParams p) {
    extern __shared__ __align__(128) u8 memory[];
    float* const stages = reinterpret_cast<float*>(memory);
    const i32 token_tiles = ceil_div(p.rows, TILE);
    const i32 first_token = i32(blockIdx.x) % token_tiles * TILE;
    const i32 first = i32(blockIdx.x) / token_tiles * (p.gated ? TILE / 2 : TILE);
    const i32 steps = ceil_div(p.inputs, STAGE_K);
    start_next();

    Operand weight, x;
    weight.base = p.weight;
    x.base = p.x;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const i32 row = i32(threadIdx.x) / 4 + i * 64;
        const i32 from = weight_row(p, first, row);
        weight.valid[i] = from >= 0;
        weight.source[i] = static_cast<const float*>(p.weight) + i64(max(from, 0)) * p.inputs + threadIdx.x % 4 * 4;
        x.valid[i] = first_token + row < p.rows;
        x.source[i] = static_cast<const float*>(p.x) + i64(first_token + row) * p.x_stride + threadIdx.x % 4 * 4;
    }
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) weight.fetch(stages + s * 2 * OPERAND, s * STAGE_K, p.inputs);
    wait_for_inputs();
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        x.fetch(stages + s * 2 * OPERAND + OPERAND, s * STAGE_K, p.inputs);
        commit_copies();
    }

    // A warp's 64 rows and 32 tokens: a thread has rows my_row + 8 i and tokens my_token + 4 j.
    const i32 my_row = warp_id() % 2 * 64 + lane_id() % 8;
    const i32 my_token = warp_id() / 2 * 32 + lane_id() / 8;
    const u32 base = shared_address(memory);
    float sums[SIDE][SIDE] = {};
    u32 now = 0, next = STAGES - 1;
    for (i32 step = 0; step < steps; step++) {
        wait_copies<STAGES - 2>();
        __syncthreads();
        float* stage = stages + next * 2 * OPERAND;
        weight.fetch(stage, (step + STAGES - 1) * STAGE_K, p.inputs);
        x.fetch(stage + OPERAND, (step + STAGES - 1) * STAGE_K, p.inputs);
        commit_copies();
        const u32 a_at = base + (now * 2 * OPERAND + my_row * ROW) * 4;
        const u32 b_at = base + (now * 2 * OPERAND + OPERAND + my_token * ROW) * 4;
#pragma unroll 1
        for (int k = 0; k < STAGE_K; k += 4) {
            float a[SIDE][4];
#pragma unroll
            for (int i = 0; i < SIDE; i++) load4(a[i], a_at + (i * 8 * ROW + k) * 4);
#pragma unroll
            for (int j = 0; j < SIDE; j++) {
                float b[4];
                load4(b, b_at + (j * 4 * ROW + k) * 4);
#pragma unroll
                for (int q = 0; q < 4; q++) {
#pragma unroll
                    for (int i = 0; i < SIDE; i++) sums[i][j] = fmaf(a[i][q], b[q], sums[i][j]);
                }
            }
        }
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
    }
    wait_copies<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
#pragma unroll
        for (int j = 0; j < SIDE; j++) stages[(my_token + j * 4) * PITCH + my_row + i * 8] = sums[i][j];
    }
    __syncthreads();
    finish_tile<float, TILE, TILE, PITCH, THREADS>(p, stages, first_token, first);
}
