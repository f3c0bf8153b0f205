// ids[i] = previous_tokens[sources[i]] where sources[i] >= 0, else host_ids[i], for i < count. `sources`: which row of the previous
// step sampled this token; -1 for tokens that the host knows. So a step's ids need not travel to the host and back.
//
// Bound by latency: two loads that wait for each other. A row that failed has token -1, which would stand for a soft prompt's
// row: it becomes 0, and the sequence is dropped when the host hears of the failure.
#include "common/launch.cuh"
#include "common/types.cuh"

struct ResolveIdsParams {
    const i32* sources;
    const i32* previous_tokens;
    const i32* host_ids;
    i32* ids;
    i32 count;
};

extern "C" __global__ void resolve_ids(const __grid_constant__ ResolveIdsParams p) {
    start_next();
    wait_for_inputs();
    const i32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.count) return;
    const i32 source = p.sources[i];
    p.ids[i] = source >= 0 ? max(p.previous_tokens[source], 0) : p.host_ids[i];
}
