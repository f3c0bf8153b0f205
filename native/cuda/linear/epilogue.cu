// What follows a matrix product that another kernel computed: out = epilogue(sum over splits of t) (see product.cuh).
//
// t [splits, M, N], or [splits, M, 2 F] gated with the gate's columns first, in f32 or the type of activations, contiguous;
// out [M, N or F]. Bound by its bytes: t and what is multiplied and added once, out once. A thread takes 8 neighbouring columns of
// one row (4 where f32), 16 bytes a load, where widths and strides allow; else one number at a time. Splits are added in order.
//
// Grid: x = blocks of 256 threads over a row's columns, y = rows (the grid's own limit, 65535, by strides).
#include "common/launch.cuh"
#include "linear/numbers.cuh"

struct EpilogueParams {
    const void* t;
    const float* bias;
    const void* multiply;
    const void* residual;
    void* out;
    i32 rows;
    i32 outputs;
    // Elements from one row to the next of out, multiply and residual.
    i32 out_stride;
    i32 activation;
    i32 gated;
    i32 splits;
    // t is f32, or out is, whatever the type of activations.
    i32 t_wide;
    i32 wide;
    float scale;
    float soft_cap;
};

constexpr int THREADS = 256;

template <class T, int COUNT>
__device__ __forceinline__ void load_sums(float (&to)[COUNT], const EpilogueParams& p, i64 row, i32 column) {
    const i64 width = p.gated ? 2 * i64(p.outputs) : p.outputs;
    i64 at = row * width + column;
    if (!p.t_wide) return load_numbers<T, COUNT>(to, p.t, at);
    load_numbers<float, COUNT>(to, p.t, at);
    for (i32 split = 1; split < p.splits; split++) {
        at += p.rows * width;
        float more[COUNT];
        load_numbers<float, COUNT>(more, p.t, at);
#pragma unroll
        for (int i = 0; i < COUNT; i++) to[i] += more[i];
    }
}

template <class T, int COUNT>
__device__ __forceinline__ void epilogue(const EpilogueParams& p) {
    start_next();
    wait_for_inputs();
    const i32 column = (i32(blockIdx.x) * THREADS + i32(threadIdx.x)) * COUNT;
    if (column >= p.outputs) return;
    for (i32 row = blockIdx.y; row < p.rows; row += gridDim.y) {
        float value[COUNT], up[COUNT];
        load_sums<T, COUNT>(value, p, row, column);
        if (p.gated) load_sums<T, COUNT>(up, p, row, p.outputs + column);
        finish<T, COUNT>(p, value, up, row, column);
    }
}

#define EPILOGUE(NAME, T, COUNT)                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS, 4) NAME(const __grid_constant__ EpilogueParams p) { \
        epilogue<T, COUNT>(p);                                                                            \
    }
EPILOGUE(epilogue_f32, float, NUMBERS<float>)
EPILOGUE(epilogue_f16, f16, NUMBERS<f16>)
EPILOGUE(epilogue_bf16, bf16, NUMBERS<bf16>)
EPILOGUE(epilogue_any_f32, float, 1)
EPILOGUE(epilogue_any_f16, f16, 1)
EPILOGUE(epilogue_any_bf16, bf16, 1)
