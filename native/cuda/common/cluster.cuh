// Thread block clusters (CUDA C++ Programming Guide, "Distributed Shared Memory"; compute capability 9.0): neighbouring blocks that run
// together and reach each other's shared memory. On older devices, and in launches without a cluster, a block is a cluster of its own.
#pragma once
#include "memory.cuh"

/// All threads of a warp together; what they wrote before is visible to who waits.
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

/// All threads of all `blocks` of the cluster; what they wrote before is seen by all after it.
__device__ __forceinline__ void cluster_barrier(int blocks) {
#if __CUDA_ARCH__ >= 900
    if (blocks > 1) {
        cluster_arrive();
        cluster_wait();
        return;
    }
#endif
    __syncthreads();
}

/// Where the block `rank` of the cluster has what stands at `address` in this block's shared memory.
__device__ __forceinline__ u32 address_in(u32 rank, u32 address) {
#if __CUDA_ARCH__ >= 900
    asm("mapa.shared::cluster.u32 %0, %0, %1;" : "+r"(address) : "r"(rank));
#endif
    return address;
}

__device__ __forceinline__ void store_remote(u32 address, float value) {
#if __CUDA_ARCH__ >= 900
    asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(address), "f"(value) : "memory");
#endif
}

/// The value that block `rank` of the cluster has where this block has `own`.
__device__ __forceinline__ u32 load_remote(const u32* own, u32 rank) {
#if __CUDA_ARCH__ >= 900
    u32 value;
    asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(value) : "r"(address_in(rank, shared_address(own))) : "memory");
    return value;
#else
    return *own;
#endif
}
__device__ __forceinline__ u64 load_remote(const u64* own, u32 rank) {
#if __CUDA_ARCH__ >= 900
    u64 value;
    asm volatile("ld.shared::cluster.u64 %0, [%1];" : "=l"(value) : "r"(address_in(rank, shared_address(own))) : "memory");
    return value;
#else
    return *own;
#endif
}
__device__ __forceinline__ float load_remote(const float* own, u32 rank) {
#if __CUDA_ARCH__ >= 900
    float value;
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(value) : "r"(address_in(rank, shared_address(own))) : "memory");
    return value;
#else
    return *own;
#endif
}
