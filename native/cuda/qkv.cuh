// Heads of queries and keys on their way to attention: norm over the head's elements and rotary embedding, in registers. Shared by
// qkv-to-cache.cu and attention/fused-decode.cu.
//
// A group of lanes (a power of two) owns a head; a lane owns two vectors of V neighbouring elements (ITEMS times), chosen so that
// both elements of every rotary pair lie in one lane: with pairs in halves the second vector stands dim / 2 behind the first.
#pragma once
#include "common/memory.cuh"
#include "common/warp.cuh"
#include "rotary.cuh"

struct QkvParams {
    const void* q;
    const void* k;
    const void* v;
    const float* q_weight;
    const float* q_bias;
    const float* k_weight;
    const float* k_bias;
    const float* frequencies;
    const i32* positions;
    const i32* lengths;
    const i32* slots;
    void* key_cache;
    void* value_cache;
    void* out;
    i32 q_stride;
    i32 k_stride;
    i32 v_stride;
    i32 out_stride;
    i32 heads;
    i32 kv_heads;
    i32 head_dim;
    i32 block_shift;
    /// 0: no rotary embedding
    i32 rotary_dim;
    i32 interleaved;
    /// 0: none, 1: layer, 2: RMS
    i32 q_norm;
    i32 k_norm;
    /// Lanes of a head: a power of two up to 32.
    i32 group;
    /// Heads of q, k and v together that a block goes through.
    i32 heads_per_block;
    i32 original;
    float q_epsilon;
    float k_epsilon;
    float rotary_scale;
    float theta;
    float factor;
};

// V elements of T in registers, as floats.
template <class T, int V>
__device__ __forceinline__ void read_vector(const T* from, float (&to)[V]) {
    if constexpr (V == 1) {
        to[0] = to_float(*from);
    } else if constexpr (sizeof(T) == 4) {
        const Words4 w = load16(from);
        to[0] = __uint_as_float(w.x), to[1] = __uint_as_float(w.y), to[2] = __uint_as_float(w.z), to[3] = __uint_as_float(w.w);
    } else {
        const Words4 w = load16(from);
        const u32 words[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
        for (int i = 0; i < 4; i++) to[2 * i] = low_of<T>(words[i]), to[2 * i + 1] = high_of<T>(words[i]);
    }
}

// `to` may lie in device or in shared memory.
template <class T, int V>
__device__ __forceinline__ void write_vector(T* to, const float (&from)[V]) {
    if constexpr (V == 1) {
        *to = from_float<T>(from[0]);
    } else if constexpr (sizeof(T) == 4) {
        *reinterpret_cast<Words4*>(to) = {__float_as_uint(from[0]), __float_as_uint(from[1]), __float_as_uint(from[2]),
                                          __float_as_uint(from[3])};
    } else {
        *reinterpret_cast<Words4*>(to) = {pack2<T>(from[0], from[1]), pack2<T>(from[2], from[3]), pack2<T>(from[4], from[5]),
                                          pack2<T>(from[6], from[7])};
    }
}

// Where a lane's two vectors begin; `pair` is the rotary pair of their first elements, beyond dim / 2 where nothing turns.
struct Place {
    i32 first, second, pair;
};

template <int V>
__device__ __forceinline__ Place place_of(const QkvParams& p, i32 item) {
    const i32 half = p.rotary_dim / 2;
    if (p.interleaved) return {2 * V * item, 2 * V * item + V, V * item};
    if (V * item < half) return {V * item, V * item + half, V * item};
    const i32 rest = p.rotary_dim + 2 * (V * item - half);
    return {rest, rest + V, V * item};
}

template <class T, int V, int ITEMS>
struct Head {
    float a[ITEMS][V];
    float b[ITEMS][V];

    __device__ __forceinline__ void read(const T* from, const Place (&places)[ITEMS], i32 head_dim) {
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
#pragma unroll
            for (int j = 0; j < V; j++) a[i][j] = b[i][j] = 0;
            if (places[i].first < head_dim) read_vector<T, V>(from + places[i].first, a[i]);
            if (places[i].second < head_dim) read_vector<T, V>(from + places[i].second, b[i]);
        }
    }

    __device__ __forceinline__ void write(T* to, const Place (&places)[ITEMS], i32 head_dim) const {
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
            if (places[i].first < head_dim) write_vector<T, V>(to + places[i].first, a[i]);
            if (places[i].second < head_dim) write_vector<T, V>(to + places[i].second, b[i]);
        }
    }

    // Deviations from the mean are summed apart from it: one sum of squares would lose them where the mean is large.
    __device__ __forceinline__ void normalise(const Place (&places)[ITEMS], i32 head_dim, i32 group, i32 kind, float epsilon,
                                              const float* weight, const float* bias) {
        float total = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
#pragma unroll
            for (int j = 0; j < V; j++) total += a[i][j] + b[i][j];
        }
        // Every lane takes part in the sum: a warp may hold heads of different kinds.
        total = group_sum(total, group);
        const float mean = kind == 1 ? total / head_dim : 0.f;
        float squares = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
#pragma unroll
            for (int j = 0; j < V; j++) {
                const float x = a[i][j] - mean, y = b[i][j] - mean;
                if (places[i].first < head_dim) squares += x * x;
                if (places[i].second < head_dim) squares += y * y;
            }
        }
        const float factor = 1.f / sqrtf(group_sum(squares, group) / head_dim + epsilon);
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
            scale(a[i], places[i].first, head_dim, mean, factor, weight, bias);
            scale(b[i], places[i].second, head_dim, mean, factor, weight, bias);
        }
    }

    __device__ __forceinline__ void turn(const float (&cosines)[ITEMS][V], const float (&sines)[ITEMS][V], const Place (&places)[ITEMS],
                                         i32 half, bool interleaved) {
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
            if (V > 1 && interleaved) {
                turn_neighbours(a[i], cosines[i], sines[i], 0, places[i].pair, half);
                turn_neighbours(b[i], cosines[i], sines[i], V / 2, places[i].pair + V / 2, half);
            } else if (places[i].pair < half) {
#pragma unroll
                for (int j = 0; j < V; j++) {
                    const float x = a[i][j], y = b[i][j], c = cosines[i][j], s = sines[i][j];
                    a[i][j] = x * c - y * s;
                    b[i][j] = y * c + x * s;
                }
            }
        }
    }

  private:
    static __device__ __forceinline__ float group_sum(float x, i32 group) {
        for (int step = group / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
        return x;
    }

    static __device__ __forceinline__ void scale(float (&x)[V], i32 from, i32 head_dim, float mean, float factor, const float* weight,
                                                 const float* bias) {
        if (from >= head_dim) return;
#pragma unroll
        for (int j = 0; j < V; j++) {
            const float scaled = (x[j] - mean) * factor;
            x[j] = (weight ? scaled * weight[from + j] : scaled) + (bias ? bias[from + j] : 0.f);
        }
    }

    static __device__ __forceinline__ void turn_neighbours(float (&x)[V], const float (&cosines)[V], const float (&sines)[V],
                                                           int from, i32 pair, i32 half) {
#pragma unroll
        for (int j = 0; j + 1 < V; j += 2) {
            if (pair + j / 2 >= half) continue;
            const float c = cosines[from + j / 2], s = sines[from + j / 2], first = x[j], second = x[j + 1];
            x[j] = first * c - second * s;
            x[j + 1] = second * c + first * s;
        }
    }
};

/// Scaled cosines and sines of the pairs that a lane owns.
template <int V, int ITEMS>
struct Angles {
    float cosines[ITEMS][V];
    float sines[ITEMS][V];

    __device__ __forceinline__ Angles(const QkvParams& p, i32 token, const Place (&places)[ITEMS]) {
        const i32 half = p.rotary_dim / 2;
        if (half == 0) return;
        const i32 length = p.lengths ? p.lengths[token] : 0;
        const Turning turning = turning_of(p.positions[token], p.rotary_scale, length, p.theta, p.factor, p.original, p.rotary_dim);
#pragma unroll
        for (int i = 0; i < ITEMS; i++) {
#pragma unroll
            for (int j = 0; j < V; j++) {
                cosines[i][j] = 1, sines[i][j] = 0;
                if (places[i].pair + j < half) turn_of(turning, p.frequencies, places[i].pair + j, cosines[i][j], sines[i][j]);
            }
        }
    }
};

/// What qkv-to-cache makes of a head: a value stays as it is. Called by whole warps.
enum HeadKind { QUERY, KEY, VALUE };
template <class T, int V, int ITEMS>
__device__ __forceinline__ void finish_head(const QkvParams& p, Head<T, V, ITEMS>& x, HeadKind kind, const Place (&places)[ITEMS],
                                            const Angles<V, ITEMS>& angles) {
    if (p.q_norm | p.k_norm) {
        const i32 norm = kind == QUERY ? p.q_norm : kind == KEY ? p.k_norm : 0;
        // The sums over lanes need all of them, whatever their heads are.
        Head<T, V, ITEMS> normed = x;
        normed.normalise(places, p.head_dim, p.group, norm, kind == QUERY ? p.q_epsilon : p.k_epsilon,
                         kind == QUERY ? p.q_weight : p.k_weight, kind == QUERY ? p.q_bias : p.k_bias);
        if (norm != 0) x = normed;
    }
    if (p.rotary_dim > 0 && kind != VALUE) x.turn(angles.cosines, angles.sines, places, p.rotary_dim / 2, p.interleaved);
}
