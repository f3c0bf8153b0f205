// The launch's dynamic shared memory.
#pragma once
#include "types.cuh"

extern __shared__ __align__(1024) u8 dynamic_shared_bytes[];

__device__ __forceinline__ u8* dynamic_shared() { return dynamic_shared_bytes; }
