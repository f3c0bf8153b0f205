// Copy-on-write forks of the paged cache: in every cache, block pairs[i][1] becomes a copy of block pairs[i][0], pair after pair.
//
//   caches  `count` caches [blocks, block_bytes], one layer's keys or values each
//   pairs   i32 [copies, 2]
//
// Bound by memory: each block is read and written once. One launch does up to 128 caches, whose addresses are part of its
// parameters. A thread owns 16 bytes at one offset of every block of a cache and goes through the pairs in order, so that a block
// may be copied from and then overwritten in one step; the chunks and caches fill the device.
#include "common/launch.cuh"
#include "common/memory.cuh"

struct CopyBlocksParams {
    const i32* pairs;
    void* caches[128];
    i64 block_bytes;
    i32 copies;
};

extern "C" __global__ void __launch_bounds__(256) copy_blocks(const __grid_constant__ CopyBlocksParams p) {
    start_next();
    wait_for_inputs();
    const i64 offset = (i64(blockIdx.x) * 256 + threadIdx.x) * 16;
    if (offset >= p.block_bytes) return;
    u8* cache = static_cast<u8*>(p.caches[blockIdx.y]) + offset;
    for (i32 i = 0; i < p.copies; i++) {
        const i64 from = p.pairs[2 * i], to = p.pairs[2 * i + 1];
        store16(cache + to * p.block_bytes, load16(cache + from * p.block_bytes));
    }
}
