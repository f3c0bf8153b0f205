// Products of any shape and type, and float32 products with few rows (see product.cuh for what they compute).
//
// A warp computes ROWS columns of out for up to TOKENS rows of x: lane l takes inputs VECTOR (l + 32 i) .. + VECTOR, and the
// lanes' sums are added by warp_sum. `plain` (VECTOR 1) needs no alignment: it is the path of odd widths. `vector`
// (float32, widths that are multiples of 4) reads 16 bytes a lane; bound by reading the weight once, N * K * 4 bytes, up to about
// 8 rows. A sum's order depends on K alone.
//
// Grid: x = groups of 8 warps' columns, y = tiles of TOKENS rows.
#include "linear/product.cuh"

constexpr int WARPS = 8;

template <class T, int VECTOR>
struct Pack {
    float values[VECTOR];
};

template <class T, int VECTOR>
__device__ __forceinline__ Pack<T, VECTOR> load(const T* from, bool valid) {
    Pack<T, VECTOR> pack;
#pragma unroll
    for (int i = 0; i < VECTOR; i++) pack.values[i] = 0.f;
    if (!valid) return pack;
    if constexpr (VECTOR == 4) {
        const Words4 words = load16(from);
        pack.values[0] = __uint_as_float(words.x);
        pack.values[1] = __uint_as_float(words.y);
        pack.values[2] = __uint_as_float(words.z);
        pack.values[3] = __uint_as_float(words.w);
    } else {
        pack.values[0] = to_float(*from);
    }
    return pack;
}

template <class T, int VECTOR, int ROWS, int TOKENS>
__device__ __forceinline__ void plain(const LinearParams& p) {
    const i32 lane = lane_id();
    const i32 first = (i32(blockIdx.x) * WARPS + warp_id()) * ROWS;
    const i32 first_token = i32(blockIdx.y) * TOKENS;
    const i32 tokens = min(p.rows - first_token, TOKENS);
    start_next();
    const T* weight = static_cast<const T*>(p.weight);
    const T* rows[2][ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const i32 column = min(first + r, p.outputs - 1);
        rows[0][r] = weight + i64(column) * p.inputs;
        rows[1][r] = weight + i64(p.outputs + column) * p.inputs;
        for (i32 ahead = lane * (128 / int(sizeof(T))); ahead < min(p.inputs, 8192 / int(sizeof(T))); ahead += 4096 / int(sizeof(T)))
            prefetch_l2(rows[0][r] + ahead);
    }
    wait_for_inputs();
    if (first >= p.outputs) return;

    const T* x = static_cast<const T*>(p.x) + i64(first_token) * p.x_stride;
    const i32 halves = p.gated ? 2 : 1;
    float sums[2][ROWS][TOKENS];
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int j = 0; j < TOKENS; j++) sums[half][r][j] = 0.f;
        }
        if (half >= halves) continue;
#pragma unroll 2
        for (i32 k = lane * VECTOR; k < p.inputs; k += WARP * VECTOR) {
            Pack<T, VECTOR> w[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; r++) w[r] = load<T, VECTOR>(rows[half][r] + k, true);
#pragma unroll
            for (int j = 0; j < TOKENS; j++) {
                const Pack<T, VECTOR> v = load<T, VECTOR>(x + i64(j) * p.x_stride + k, j < tokens);
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
#pragma unroll
                    for (int i = 0; i < VECTOR; i++) sums[half][r][j] = fmaf(w[r].values[i], v.values[i], sums[half][r][j]);
                }
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
#pragma unroll
            for (int j = 0; j < TOKENS; j++) sums[half][r][j] = warp_sum(sums[half][r][j]);
        }
    }
    // Lane j finishes row j.
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int j = 0; j < TOKENS; j++) {
            if (lane == j && j < tokens && first + r < p.outputs) {
                finish<T>(p, sums[0][r][j], sums[1][r][j], first_token + j, first + r);
            }
        }
    }
}

#define PLAIN(NAME, T, VECTOR, ROWS, TOKENS)                                                              \
    extern "C" __global__ void __launch_bounds__(WARPS* WARP) NAME(const __grid_constant__ LinearParams p) { \
        plain<T, VECTOR, ROWS, TOKENS>(p);                                                               \
    }
PLAIN(plain_f32, float, 1, 1, 8)
PLAIN(plain_f16, f16, 1, 1, 8)
PLAIN(plain_bf16, bf16, 1, 1, 8)
PLAIN(vector_1_f32, float, 4, 2, 1)
PLAIN(vector_8_f32, float, 4, 2, 8)
