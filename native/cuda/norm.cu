// Layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019) of rows, with the residual additions before it:
//   sum = x + adds[0] + adds[1] + ...;  out = (sum - mean) / sqrt(variance + epsilon) * weight + bias, or sum / sqrt(mean of squares ...).
// x, adds, sum, out: [rows, width] of T; weight, bias: float [width], either may be missing, and so may `sum`.
//
// Bound by memory: every operand is read once and every result written once, (2 + adds + sum) * width * sizeof(T) bytes a
// row; in decoding, with few rows, by latency: one round of loads, one reduction, one round of stores.
//
// One pass: a thread keeps its part of the row in registers, V vectors of 16 bytes, as floats that nothing has rounded; what
// is normalised is this sum, also where its rounded copy is stored. A mean and a sum of squares gathered together as
// E[x^2] - E[x]^2 lose all digits where the mean is large, so each thread takes the deviations from its own part's mean,
// and parts are joined by the formula of Chan, Golub & LeVeque 1979, which subtracts no large numbers: exact as two passes,
// in one reduction and with one synchronisation of the block. Order of joining: lanes by butterfly, then warps by butterfly.
//
// Three forms: a warp a row (short rows), a block a row, and `plain` for widths that are no multiple of a vector or longer
// than registers hold: the row waits in shared memory there.
#include "norm/row.cuh"

template <class T, int V, bool BLOCK>
__device__ __forceinline__ void norm_vectors(const NormParams& p) {
    constexpr int N = PER_16_BYTES<T>;
    // Weights are nobody's output: fetched while the kernel before this one ends, where registers allow it.
    constexpr bool EARLY = V <= 2;
    const int threads = BLOCK ? blockDim.x : WARP;
    const int own = BLOCK ? threadIdx.x : lane_id();
    const i64 row = BLOCK ? blockIdx.x : i64(blockIdx.x) * (blockDim.x / WARP) + warp_id();
    const int vectors = p.width / N;
    float weight[EARLY ? V : 1][N];
    float bias[EARLY ? V : 1][N];
    if constexpr (EARLY) {
#pragma unroll
        for (int i = 0; i < V; i++) {
            const int v = own + i * threads;
            if (v < vectors) load_affine<N>(p, v, weight[i], bias[i]);
        }
    }
    start_next();
    wait_for_inputs();
    if (row >= p.rows) return;

    float x[V][N];
    const i64 offset = row * p.width * i64(sizeof(T));
#pragma unroll
    for (int i = 0; i < V; i++) {
        const int v = own + i * threads;
        if (v < vectors) load_vector<T>(at_row(p.x, offset), v, x[i]);
    }
    for (int a = 0; a < p.add_count; a++) {
        const void* add = at_row(add_of(p, a), offset);
#pragma unroll
        for (int i = 0; i < V; i++) {
            const int v = own + i * threads;
            float y[N];
            if (v < vectors) {
                load_vector<T>(add, v, y);
#pragma unroll
                for (int j = 0; j < N; j++) x[i][j] += y[j];
            }
        }
    }

    Moments moments = {0, 0, 0};
#pragma unroll
    for (int i = 0; i < V; i++) {
        if (own + i * threads >= vectors) continue;
        if (p.sum) store_vector<T>(at_row(p.sum, offset), own + i * threads, x[i]);
        moments = joined(moments, moments_of<N>(x[i], p.kind));
    }
    moments = over_warp(moments);
    if constexpr (BLOCK) moments = over_block(moments);
    const Scaling scaling = scaling_of(moments, p);

#pragma unroll
    for (int i = 0; i < V; i++) {
        const int v = own + i * threads;
        if (v >= vectors) continue;
        if constexpr (!EARLY) load_affine<N>(p, v, weight[0], bias[0]);
        float y[N];
#pragma unroll
        for (int j = 0; j < N; j++) {
            y[j] = (x[i][j] - scaling.mean) * scaling.factor * weight[EARLY ? i : 0][j] + bias[EARLY ? i : 0][j];
        }
        store_vector<T>(at_row(p.out, offset), v, y);
    }
}

template <class T>
__device__ __forceinline__ void norm_plain(const NormParams& p) {
    extern __shared__ float kept[];
    start_next();
    wait_for_inputs();
    const i64 offset = i64(blockIdx.x) * p.width;
    Moments moments = {0, 0, 0};
    for (int i = threadIdx.x; i < p.width; i += blockDim.x) {
        float value = to_float(static_cast<const T*>(p.x)[offset + i]);
        for (int a = 0; a < p.add_count; a++) value += to_float(static_cast<const T*>(add_of(p, a))[offset + i]);
        kept[i] = value;
        if (p.sum) static_cast<T*>(p.sum)[offset + i] = from_float<T>(value);
        moments = joined(moments, p.kind == LAYER_NORM ? Moments{1, value, 0} : Moments{1, 0, value * value});
    }
    const Scaling scaling = scaling_of(over_block(over_warp(moments)), p);
    // Each thread reads back what it stored itself.
    for (int i = threadIdx.x; i < p.width; i += blockDim.x) {
        const float scaled = (kept[i] - scaling.mean) * scaling.factor * (p.weight ? p.weight[i] : 1.f);
        static_cast<T*>(p.out)[offset + i] = from_float<T>(scaled + (p.bias ? p.bias[i] : 0.f));
    }
}

#define NORM(FORM, V, BLOCK, THREADS, NAME, T)                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) norm_##FORM##V##_##NAME(const __grid_constant__ NormParams p) { \
        norm_vectors<T, V, BLOCK>(p);                                                                                  \
    }
#define NORMS(NAME, T)                                                                                             \
    NORM(warp, 1, false, 128, NAME, T)                                                                             \
    NORM(warp, 2, false, 128, NAME, T)                                                                             \
    NORM(warp, 4, false, 128, NAME, T)                                                                             \
    NORM(block, 1, true, 512, NAME, T)                                                                             \
    NORM(block, 2, true, 512, NAME, T)                                                                             \
    NORM(block, 4, true, 1024, NAME, T)                                                                            \
    extern "C" __global__ void __launch_bounds__(1024, 1) norm_plain_##NAME(const __grid_constant__ NormParams p) { \
        norm_plain<T>(p);                                                                                          \
    }
NORMS(f32, float)
NORMS(f16, f16)
NORMS(bf16, bf16)
