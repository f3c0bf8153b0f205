// Per token: the heads of q and k are normalised (optional) and turned by rotary embedding (optional); k and v go to the
// token's slot of the paged cache, q to `out`.
//
//   q, k, v            columns of matrices [tokens, stride] (usually three slices of one fused product)
//   key/value caches   [blocks, kv_heads, block_size, head_dim]; slot = block * block_size + offset, -1 writes nothing
//   out                [tokens, out_stride]
//
// Bound by memory: q, k and v are read once and written once, 16 bytes a lane (see qkv.cuh for which). A block takes one token and
// some of its heads. Angles are computed once a thread and serve all heads that its group of lanes goes through. V is 8 for
// 16-bit types and 4 for f32; V = 1 takes what is odd or not aligned.
#include "common/launch.cuh"
#include "qkv.cuh"

constexpr int THREADS = 128;

template <class T, int V, int ITEMS>
__device__ __forceinline__ void qkv_to_cache(const QkvParams& p) {
    start_next();
    const i32 token = blockIdx.x;
    const i32 member = threadIdx.x % p.group;
    Place places[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; i++) places[i] = place_of<V>(p, member + i * p.group);
    wait_for_inputs();
    const Angles<V, ITEMS> angles(p, token, places);

    const i32 slot = p.slots[token];
    const i64 block = slot >> p.block_shift, offset = slot & ((1 << p.block_shift) - 1);
    const i32 units = p.heads + 2 * p.kv_heads;
    const i32 first = blockIdx.y * p.heads_per_block, last = min(units, first + p.heads_per_block);
    const i32 groups = THREADS / p.group;
    // All lanes of a warp stay in the loop, for the sums over lanes.
    for (i32 base = first; base < last; base += groups) {
        const i32 unit = base + i32(threadIdx.x) / p.group;
        const HeadKind kind = unit < p.heads ? QUERY : unit < p.heads + p.kv_heads ? KEY : VALUE;
        const i32 head = kind == QUERY ? unit : kind == KEY ? unit - p.heads : unit - p.heads - p.kv_heads;
        const bool exists = unit < last;
        const T* from = kind == QUERY ? static_cast<const T*>(p.q) + i64(token) * p.q_stride
                        : kind == KEY ? static_cast<const T*>(p.k) + i64(token) * p.k_stride
                                      : static_cast<const T*>(p.v) + i64(token) * p.v_stride;
        const i64 cached = ((block * p.kv_heads + head) << p.block_shift) + offset;
        T* to = kind == QUERY ? static_cast<T*>(p.out) + i64(token) * p.out_stride + head * p.head_dim
                              : static_cast<T*>(kind == KEY ? p.key_cache : p.value_cache) + cached * p.head_dim;
        Head<T, V, ITEMS> x;
        x.read(from + head * p.head_dim, places, exists ? p.head_dim : 0);
        finish_head(p, x, kind, places, angles);
        if (exists && (kind == QUERY || slot >= 0)) x.write(to, places, p.head_dim);
    }
}

#define QKV_TO_CACHE(NAME, T, V, ITEMS)                                                                                   \
    extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ QkvParams p) { qkv_to_cache<T, V, ITEMS>(p); }

QKV_TO_CACHE(qkv_to_cache_f32, float, 4, 1)
QKV_TO_CACHE(qkv_to_cache_f16, f16, 8, 1)
QKV_TO_CACHE(qkv_to_cache_bf16, bf16, 8, 1)
QKV_TO_CACHE(qkv_to_cache_single_f32, float, 1, 4)
QKV_TO_CACHE(qkv_to_cache_single_f16, f16, 1, 4)
QKV_TO_CACHE(qkv_to_cache_single_bf16, bf16, 1, 4)
