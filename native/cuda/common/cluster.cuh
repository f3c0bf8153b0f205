// Thread block clusters (compute capability 9.0): a barrier of all their threads, and each other's shared memory. Elsewhere there
// are none, and the kernels are not launched with any.
#pragma once
#include "types.cuh"

/// All threads of a warp together; what they wrote before is visible to who waits.
__device__ __forceinline__ void cluster_arrive() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void cluster_wait() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
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
