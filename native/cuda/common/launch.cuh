// Programmatic dependent launch (CUDA C++ Programming Guide, "Programmatic Dependent Launch and Synchronization"). Every kernel of
// a step is launched with programmatic stream serialization: it may start while the one before it still runs. So each
// kernel calls wait_for_inputs() before it reads what another kernel or the host's copy wrote, and before it WRITES anything at all;
// only weights may be read earlier. start_next() lets the next kernel begin to be scheduled: call it as early as possible.
#pragma once

__device__ __forceinline__ void wait_for_inputs() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void start_next() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}
