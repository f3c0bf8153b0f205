// out[r, c] = x[start + r * row_stride + c * column_stride], r < rows, c < columns: weights from the bytes of a checkpoint to where
// kernels read them, transposed, picked and converted on the way. Through a tile in shared memory where rows lie in the
// input's columns, so that both sides are read and written along memory. Bound by the bus that brings the bytes.
#include "common/launch.cuh"
#include "common/types.cuh"

struct PlaceParams {
    const void* x;
    void* out;
    i64 start;
    i64 row_stride;
    i64 column_stride;
    i32 rows;
    i32 columns;
};

constexpr int TILE = 32;
constexpr int LINES = 8;

template <class From, class To>
__device__ void place(const PlaceParams& p) {
    __shared__ float tile[TILE][TILE + 1];
    start_next();
    wait_for_inputs();
    const From* x = static_cast<const From*>(p.x) + p.start;
    To* out = static_cast<To*>(p.out);
    const int first_row = blockIdx.y * TILE;
    const int first_column = blockIdx.x * TILE;
    const int lane = threadIdx.x % TILE;
    const int line = threadIdx.x / TILE;
    const bool along_rows = p.row_stride < p.column_stride;
#pragma unroll
    for (int i = line; i < TILE; i += LINES) {
        const int r = along_rows ? lane : i;
        const int c = along_rows ? i : lane;
        if (first_row + r < p.rows && first_column + c < p.columns) {
            tile[r][c] = to_float(x[i64(first_row + r) * p.row_stride + i64(first_column + c) * p.column_stride]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int r = line; r < TILE; r += LINES) {
        if (first_row + r < p.rows && first_column + lane < p.columns) {
            out[i64(first_row + r) * p.columns + first_column + lane] = from_float<To>(tile[r][lane]);
        }
    }
}

#define PLACE(from, From)                                                                                             \
    extern "C" __global__ void place_##from##_f32(const __grid_constant__ PlaceParams p) { place<From, float>(p); }   \
    extern "C" __global__ void place_##from##_f16(const __grid_constant__ PlaceParams p) { place<From, f16>(p); }     \
    extern "C" __global__ void place_##from##_bf16(const __grid_constant__ PlaceParams p) { place<From, bf16>(p); }
PLACE(f32, float)
PLACE(f16, f16)
PLACE(bf16, bf16)
