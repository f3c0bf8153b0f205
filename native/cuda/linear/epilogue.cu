// What follows a matrix product that another kernel computed: out = epilogue(sum over splits of t) (see product.cuh).
//
// t [splits, M, N], or [splits, M, 2 F] gated with the gate's columns first, in f32 or the type of activations, contiguous;
// out [M, N or F]. Bound by its bytes: t and what is multiplied and added once, out once. A thread takes 8 neighbouring columns of
// one row (4 where f32), 16 bytes a load, where widths and strides allow; else one number at a time. Splits are added in order.
//
// Grid: x = blocks of 256 threads over a row's columns, y = rows (the grid's own limit, 65535, by strides).
#include "linear/product.cuh"

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

/// COUNT neighbouring numbers: 16-byte loads where COUNT > 1.
template <class T, int COUNT>
__device__ __forceinline__ void load_numbers(float (&to)[COUNT], const void* base, i64 at) {
    const T* from = static_cast<const T*>(base) + at;
    if constexpr (COUNT == 1) {
        to[0] = to_float(*from);
    } else if constexpr (sizeof(T) == 4) {
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            const Words4 words = load16(from + i);
            to[i] = __uint_as_float(words.x);
            to[i + 1] = __uint_as_float(words.y);
            to[i + 2] = __uint_as_float(words.z);
            to[i + 3] = __uint_as_float(words.w);
        }
    } else {
        const Words4 words = load16(from);
        const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            to[2 * i] = low_of<T>(pairs[i]);
            to[2 * i + 1] = high_of<T>(pairs[i]);
        }
    }
}

template <class T, int COUNT>
__device__ __forceinline__ void store_numbers(void* base, i64 at, const float (&of)[COUNT]) {
    T* to = static_cast<T*>(base) + at;
    if constexpr (COUNT == 1) {
        *to = from_float<T>(of[0]);
    } else if constexpr (sizeof(T) == 4) {
#pragma unroll
        for (int i = 0; i < COUNT; i += 4) {
            store16(to + i, {__float_as_uint(of[i]), __float_as_uint(of[i + 1]), __float_as_uint(of[i + 2]),
                             __float_as_uint(of[i + 3])});
        }
    } else {
        store16(to, {pack2<T>(of[0], of[1]), pack2<T>(of[2], of[3]), pack2<T>(of[4], of[5]), pack2<T>(of[6], of[7])});
    }
}

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
    float bias[2][COUNT] = {};
    if (p.bias) {
        load_numbers<float, COUNT>(bias[0], p.bias, column);
        if (p.gated) load_numbers<float, COUNT>(bias[1], p.bias, p.outputs + column);
    }
    for (i32 row = blockIdx.y; row < p.rows; row += gridDim.y) {
        const i64 at = i64(row) * p.out_stride + column;
        float value[COUNT], other[COUNT];
        load_sums<T, COUNT>(value, p, row, column);
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] = activate(p.activation, value[i] + bias[0][i]);
        if (p.gated) {
            load_sums<T, COUNT>(other, p, row, p.outputs + column);
#pragma unroll
            for (int i = 0; i < COUNT; i++) value[i] *= other[i] + bias[1][i];
        }
        if (p.multiply) {
            load_numbers<T, COUNT>(other, p.multiply, at);
#pragma unroll
            for (int i = 0; i < COUNT; i++) value[i] *= other[i];
        }
        if (p.residual) {
            load_numbers<T, COUNT>(other, p.residual, at);
#pragma unroll
            for (int i = 0; i < COUNT; i++) value[i] += other[i];
        }
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            value[i] *= p.scale;
            if (p.soft_cap != 0.f) value[i] = p.soft_cap * tanhf(value[i] / p.soft_cap);
        }
        if (p.wide) store_numbers<float, COUNT>(p.out, at, value);
        else store_numbers<T, COUNT>(p.out, at, value);
    }
}

#define EPILOGUE(NAME, T, COUNT)                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ EpilogueParams p) { \
        epilogue<T, COUNT>(p);                                                                            \
    }
EPILOGUE(epilogue_f32, float, 4)
EPILOGUE(epilogue_f16, f16, 8)
EPILOGUE(epilogue_bf16, bf16, 8)
EPILOGUE(epilogue_any_f32, float, 1)
EPILOGUE(epilogue_any_f16, f16, 1)
EPILOGUE(epilogue_any_bf16, bf16, 1)
