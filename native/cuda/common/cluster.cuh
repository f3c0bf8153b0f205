// Thread block clusters (CUDA C++ Programming Guide, "Distributed Shared Memory"; compute capability 9.0): neighbouring blocks that run
// together and read each other's shared memory. Older devices are launched with clusters of one block, for which all of this is
// the block's own.
#pragma once
#include "memory.cuh"

/// All threads of all `blocks` of the cluster; what they wrote before is seen by all after it.
__device__ __forceinline__ void cluster_barrier(int blocks) {
#if __CUDA_ARCH__ >= 900
    if (blocks > 1) {
        asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
        asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
        return;
    }
#endif
    __syncthreads();
}

/// The value that block `rank` of the cluster has where this block has `own`.
__device__ __forceinline__ u32 load_remote(const u32* own, int rank) {
    u32 value;
#if __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .u32 a; mapa.shared::cluster.u32 a, %1, %2; ld.shared::cluster.u32 %0, [a]; }"
                 : "=r"(value)
                 : "r"(shared_address(own)), "r"(rank)
                 : "memory");
#else
    value = *own;
#endif
    return value;
}
__device__ __forceinline__ u64 load_remote(const u64* own, int rank) {
    u64 value;
#if __CUDA_ARCH__ >= 900
    asm volatile("{ .reg .u32 a; mapa.shared::cluster.u32 a, %1, %2; ld.shared::cluster.u64 %0, [a]; }"
                 : "=l"(value)
                 : "r"(shared_address(own)), "r"(rank)
                 : "memory");
#else
    value = *own;
#endif
    return value;
}
