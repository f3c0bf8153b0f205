// COUNT neighbouring numbers at once, 16 bytes a load where COUNT > 1, and what becomes of COUNT sums (see product.cuh).
#pragma once
#include "common/activation.cuh"
#include "common/memory.cuh"
#include "common/types.cuh"

/// Numbers in 16 bytes.
template <class T>
constexpr int NUMBERS = 16 / int(sizeof(T));

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
        static_assert(COUNT == 8, "16-bit numbers come in eights");
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
        static_assert(COUNT == 8, "16-bit numbers come in eights");
        store16(to, {pack2<T>(of[0], of[1]), pack2<T>(of[2], of[3]), pack2<T>(of[4], of[5]), pack2<T>(of[6], of[7])});
    }
}

/// From sums to COUNT neighbouring numbers of a row of out; `up` counts where gated only. Params is LinearParams or EpilogueParams.
template <class T, int COUNT, class Params>
__device__ __forceinline__ void finish(const Params& p, float (&value)[COUNT], float (&up)[COUNT], i32 row, i32 column) {
    const i64 at = i64(row) * p.out_stride + column;
    float other[COUNT];
    if (p.bias) {
        load_numbers<float, COUNT>(other, p.bias, column);
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] += other[i];
    }
    if (p.activation != NONE) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] = activate(p.activation, value[i]);
    }
    if (p.gated) {
        if (p.bias) {
            load_numbers<float, COUNT>(other, p.bias, p.outputs + column);
#pragma unroll
            for (int i = 0; i < COUNT; i++) up[i] += other[i];
        }
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] *= up[i];
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
    if (p.scale != 1.f) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] *= p.scale;
    }
    if (p.soft_cap != 0.f) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[i] = p.soft_cap * tanhf(value[i] / p.soft_cap);
    }
    if (p.wide) store_numbers<float, COUNT>(p.out, at, value);
    else store_numbers<T, COUNT>(p.out, at, value);
}
