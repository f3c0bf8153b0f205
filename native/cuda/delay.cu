// Keeps the device busy for some nanoseconds, so that what is measured next was handed over completely before it began.
#include "common/launch.cuh"
#include "common/types.cuh"

struct DelayParams {
    i64 nanoseconds;
};

__device__ __forceinline__ u64 now() {
    u64 time;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(time));
    return time;
}

extern "C" __global__ void delay(const __grid_constant__ DelayParams p) {
    const u64 start = now();
    while (i64(now() - start) < p.nanoseconds) {
    }
}
