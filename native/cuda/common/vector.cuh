// Sixteen bytes of a row at a time, as floats: four numbers of 32 bits, or eight of 16.
#pragma once
#include "memory.cuh"

template <class T>
constexpr int PER_16_BYTES = 16 / int(sizeof(T));

template <class T>
__device__ __forceinline__ void unpack(Words4 v, float (&x)[PER_16_BYTES<T>]) {
    const u32 words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if constexpr (sizeof(T) == 4) {
            x[i] = __uint_as_float(words[i]);
        } else {
            x[2 * i] = low_of<T>(words[i]);
            x[2 * i + 1] = high_of<T>(words[i]);
        }
    }
}

template <class T>
__device__ __forceinline__ Words4 pack(const float (&x)[PER_16_BYTES<T>]) {
    if constexpr (sizeof(T) == 4) {
        return {__float_as_uint(x[0]), __float_as_uint(x[1]), __float_as_uint(x[2]), __float_as_uint(x[3])};
    } else {
        return {pack2<T>(x[0], x[1]), pack2<T>(x[2], x[3]), pack2<T>(x[4], x[5]), pack2<T>(x[6], x[7])};
    }
}

/// Vector `index` of 16 bytes of a row of T that an earlier kernel wrote.
template <class T>
__device__ __forceinline__ void load_vector(const void* row, i64 index, float (&x)[PER_16_BYTES<T>]) {
    unpack<T>(load16(static_cast<const char*>(row) + index * 16), x);
}

template <class T>
__device__ __forceinline__ void store_vector(void* row, i64 index, const float (&x)[PER_16_BYTES<T>]) {
    store16(static_cast<char*>(row) + index * 16, pack<T>(x));
}

/// N floats of a weight that no kernel writes, from element `at`; `at` is a multiple of four, and so is N.
template <int N>
__device__ __forceinline__ void load_weights(const float* weight, i64 at, float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
        const Words4 v = load_stream(weight + at + i);
        x[i] = __uint_as_float(v.x);
        x[i + 1] = __uint_as_float(v.y);
        x[i + 2] = __uint_as_float(v.z);
        x[i + 3] = __uint_as_float(v.w);
    }
}
