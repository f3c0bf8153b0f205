// Embedding: out[t] = scale * table[ids[t] + id_offset] + position_table[positions[t] + position_offset], row by row; where an id
// is -1 the token's own row of `rows` takes the place of the table's (soft prompts: Lester et al. 2021).
// table: [entries, width] of TABLE; rows, position_table: float [tokens, width] and [places, width]; out: [tokens, width] of T.
//
// Bound by memory: tokens * width * (sizeof(TABLE) + sizeof(T)) bytes and four more of each position; in decoding by latency:
// two loads that wait for each other, the id and the row. Blocks take a token each and, of wide rows, a part of it; a
// thread takes four numbers at a time where width is a multiple of four, else one.
//
// Ids of the previous step's tokens come from the device (resolve-ids.cu), unseen by the host, so that they are kept inside the table.
#include "common/launch.cuh"
#include "common/vector.cuh"

struct EmbedParams {
    const i32* ids;
    const void* table;
    const float* rows;
    const i32* positions;
    const float* position_table;
    void* out;
    i32 width;
    i32 entries;
    i32 places;
    i32 id_offset;
    i32 position_offset;
    float scale;
};

__device__ __forceinline__ i64 within(i32 row, i32 rows) { return row < 0 ? 0 : row >= rows ? rows - 1 : row; }

/// COUNT numbers from element `at`; weights and what the host wrote are alike here.
template <class S, int COUNT>
__device__ __forceinline__ void read(const void* data, i64 at, float (&x)[COUNT]) {
    const S* source = static_cast<const S*>(data) + at;
    if constexpr (COUNT == 4 && sizeof(S) == 4) {
        unpack<S>(load16(source), x);
    } else if constexpr (COUNT == 4) {
        u32 low, high;
        asm volatile("ld.global.v2.u32 {%0, %1}, [%2];" : "=r"(low), "=r"(high) : "l"(source) : "memory");
        x[0] = low_of<S>(low);
        x[1] = high_of<S>(low);
        x[2] = low_of<S>(high);
        x[3] = high_of<S>(high);
    } else {
        x[0] = to_float(*source);
    }
}

template <class T, int COUNT>
__device__ __forceinline__ void write(void* data, i64 at, const float (&x)[COUNT]) {
    T* target = static_cast<T*>(data) + at;
    if constexpr (COUNT == 4 && sizeof(T) == 4) {
        store16(target, pack<T>(x));
    } else if constexpr (COUNT == 4) {
        asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(target), "r"(pack2<T>(x[0], x[1])), "r"(pack2<T>(x[2], x[3]))
                     : "memory");
    } else {
        *target = from_float<T>(x[0]);
    }
}

template <class TABLE, class T, int COUNT>
__device__ __forceinline__ void embed_row(const EmbedParams& p) {
    const i64 token = blockIdx.x;
    const i32 id = p.ids[token];
    const bool soft = id == -1 && p.rows;
    const i64 from = soft ? token : within(id + p.id_offset, p.entries);
    const i64 place = p.positions ? within(p.positions[token] + p.position_offset, p.places) : 0;
    for (int i = (blockIdx.y * blockDim.x + threadIdx.x) * COUNT; i < p.width; i += gridDim.y * blockDim.x * COUNT) {
        float x[COUNT];
        if (soft) {
            read<float, COUNT>(p.rows, from * p.width + i, x);
        } else {
            read<TABLE, COUNT>(p.table, from * p.width + i, x);
        }
#pragma unroll
        for (int j = 0; j < COUNT; j++) x[j] *= p.scale;
        if (p.positions) {
            float y[COUNT];
            read<float, COUNT>(p.position_table, place * p.width + i, y);
#pragma unroll
            for (int j = 0; j < COUNT; j++) x[j] += y[j];
        }
        write<T, COUNT>(p.out, token * p.width + i, x);
    }
}

template <class TABLE, class T>
__device__ __forceinline__ void embed(const EmbedParams& p) {
    start_next();
    wait_for_inputs();
    if (p.width % 4 == 0) {
        embed_row<TABLE, T, 4>(p);
    } else {
        embed_row<TABLE, T, 1>(p);
    }
}

#define EMBED(TABLE_NAME, TABLE, NAME, T)                                                                \
    extern "C" __global__ void embed_##TABLE_NAME##_##NAME(const __grid_constant__ EmbedParams p) { \
        embed<TABLE, T>(p);                                                                              \
    }
#define EMBEDS(NAME, T)        \
    EMBED(f32, float, NAME, T) \
    EMBED(f16, f16, NAME, T)   \
    EMBED(bf16, bf16, NAME, T)
EMBEDS(f32, float)
EMBEDS(f16, f16)
EMBEDS(bf16, bf16)
