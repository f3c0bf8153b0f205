// Products of experts for many tokens, 16-bit, on tensor cores: bound by arithmetic, 2 * picks * inputs * outputs. Tiles of 128 rows of
// one expert, gathered from wherever its tokens stand, by 128 rows of its weights (64 of the gate's and the 64 that belong
// to them) pass through shared memory, 32 inputs at a time, three stages deep. Eight warps, four by two, have 32 x 64 sums each;
// every sum runs over ascending inputs. A row of a stage is four chunks of 16 bytes, permuted so that the eight rows that
// ldmatrix reads together lie in different banks.
#pragma once
#include "common/mma.cuh"
#include "product.cuh"

constexpr int MANY_ROWS = 128;
constexpr int MANY_COLUMNS = 128;
constexpr int MANY_INPUTS = 32;
constexpr int MANY_STAGES = 3;
constexpr int MANY_THREADS = 256;
constexpr int CHUNK = 16;
constexpr int STAGE_BYTES = (MANY_ROWS + MANY_COLUMNS) * MANY_INPUTS * 2;

__device__ __forceinline__ int chunk_at(int row, int chunk) { return (row * 4 + (chunk ^ (row >> 1 & 3))) * CHUNK; }

template <class T, bool GATED, class OUT>
__device__ __forceinline__ void many_product(const MoeProductParams& p) {
    extern __shared__ Words4 memory[];
    char* stages = reinterpret_cast<char*>(memory);
    start_next();
    wait_for_inputs();
    const Tile tile = tile_of<MANY_ROWS>(p, blockIdx.y);
    if (tile.expert < 0) return;
    constexpr int OWN = GATED ? MANY_COLUMNS / 2 : MANY_COLUMNS;
    const i32 n0 = blockIdx.x * OWN;

    // Each thread copies chunk `chunk` of rows `line` and `line` + 64, of x and of the weights.
    const int line = threadIdx.x / 4;
    const int chunk = threadIdx.x % 4;
    const T* x[2];
    const T* w[2];
    bool has_x[2], has_w[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int row = line + 64 * i;
        has_x[i] = row < tile.count;
        x[i] = static_cast<const T*>(p.x) + (has_x[i] ? source_of(p, tile.first + row) * p.inputs : 0) + chunk * 8;
        const i32 n = n0 + (GATED ? line : row);
        has_w[i] = n < p.outputs;
        const i64 weight_row = has_w[i] ? n + (GATED ? i64(i) * p.outputs : 0) : 0;
        w[i] = weight_of<T, GATED>(p, tile.expert) + weight_row * p.inputs + chunk * 8;
    }
    const auto fetch = [&](int step) {
        char* stage = stages + step % MANY_STAGES * STAGE_BYTES;
        const i32 k = step * MANY_INPUTS;
        const bool in = k + chunk * 8 < p.inputs;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int at = chunk_at(line + 64 * i, chunk);
            copy_async16(stage + at, in ? x[i] + k : static_cast<const T*>(p.x), in && has_x[i]);
            copy_async16(stage + MANY_ROWS * MANY_INPUTS * 2 + at, in ? w[i] + k : static_cast<const T*>(p.weight), in && has_w[i]);
        }
    };

    const int row0 = warp_id() % 4 * 32;
    const int half = warp_id() / 4;
    // First weight row of the warp's j-th 16: gates in 0..1 and what belongs to them in 2..3.
    const auto column = [=](int j) { return GATED ? j / 2 * 64 + half * 32 + j % 2 * 16 : half * 64 + j * 16; };
    const int line8 = lane_id() % 8;
    const int matrix = lane_id() / 8;
    float sums[2][8][4] = {};
    const int steps = ceil_div(p.inputs, MANY_INPUTS);
#pragma unroll
    for (int s = 0; s < MANY_STAGES - 1; s++) {
        if (s < steps) fetch(s);
        commit_copies();
    }
    for (int step = 0; step < steps; step++) {
        wait_copies<MANY_STAGES - 2>();
        __syncthreads();
        if (step + MANY_STAGES - 1 < steps) fetch(step + MANY_STAGES - 1);
        commit_copies();
        const char* stage = stages + step % MANY_STAGES * STAGE_BYTES;
#pragma unroll
        for (int k = 0; k < MANY_INPUTS / 16; k++) {
            u32 a[2][4];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int row = row0 + i * 16 + matrix % 2 * 8 + line8;
                load_matrices(a[i], shared_address(stage + chunk_at(row, k * 2 + matrix / 2)));
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                u32 b[4];
                const int row = column(j) + matrix / 2 * 8 + line8;
                load_matrices(b, shared_address(stage + MANY_ROWS * MANY_INPUTS * 2 + chunk_at(row, k * 2 + matrix % 2)));
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    mma16816<T>(sums[i][2 * j], a[i][0], a[i][1], a[i][2], a[i][3], b[0], b[1]);
                    mma16816<T>(sums[i][2 * j + 1], a[i][0], a[i][1], a[i][2], a[i][3], b[2], b[3]);
                }
            }
        }
    }

    const int g = lane_id() / 4;
    const int t = lane_id() % 4;
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int j = 0; j < (GATED ? 4 : 8); j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int row = row0 + i * 16 + g + e / 2 * 8;
                const i32 n = n0 + column(j / 2) + j % 2 * 8 + 2 * t + e % 2;
                if (row >= tile.count || n >= p.outputs) continue;
                const float value = finished<GATED>(p, tile.expert, n, sums[i][j][e], sums[i][GATED ? j + 4 : j][e]);
                static_cast<OUT*>(p.out)[i64(tile.first + row) * p.outputs + n] = from_float<OUT>(value);
            }
        }
    }
}
