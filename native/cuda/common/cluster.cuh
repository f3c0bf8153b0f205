// Thread block clusters (compute capability 9.0): blocks that run together and read each other's shared memory. On older devices,
// and in launches without a cluster, a block is a cluster of its own.
#pragma once
#include "memory.cuh"

__device__ __forceinline__ void cluster_arrive() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}

/// Returns when every thread of the cluster has arrived; what they wrote before is visible.
__device__ __forceinline__ void cluster_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

/// Reads a float at the place in block `rank`'s shared memory that `pointer` has in this block's.
__device__ __forceinline__ float load_cluster(const float* pointer, u32 rank) {
#if __CUDA_ARCH__ >= 900
    u32 address;
    float value;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(address) : "r"(shared_address(pointer)), "r"(rank));
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
    return value;
#else
    return *pointer;
#endif
}
