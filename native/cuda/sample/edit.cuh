// Penalties, biases and bans: sampling/penalties.ts and sampling/bans.ts of src/backend/reference, whose arithmetic in double, rounded
// to float after each step, this repeats. Few tokens are touched: their logits are changed where they lie, and put back
// when the row is done, so that no copy of the row is made.
#pragma once
#include "record.cuh"
#include "row.cuh"

constexpr float LARGEST_FLOAT = 3.4028234663852886e38f;

__device__ __forceinline__ float limited(double x) { return float(x < double(LARGEST_FLOAT) ? x : double(LARGEST_FLOAT)); }

__device__ __forceinline__ float edited(float x, const SampleEdit& edit, const SampleRequest& q) {
    const i32 count = edit.count_and_flags >> 2;
    if ((edit.count_and_flags & IN_HISTORY) && q.repetition != 1) {
        x = limited(x < 0 ? double(x) * q.repetition : double(x) / q.repetition);
    }
    if (count > 0 && (q.presence != 0 || q.frequency != 0)) x = limited(double(x) - q.presence - q.frequency * count);
    if (edit.bias != 0) x = limited(double(x) + double(edit.bias));
    return edit.count_and_flags & BANNED ? -INFINITE : x;
}

/// `change`(logit, edit) for each edited token of this block's part of the row.
template <class Change>
__device__ __forceinline__ void each_edit(const Row& row, const Team& team, float* logits, SampleEdit* edits, i32 count,
                                          Change change) {
    const i32 vectors = (row.lead + row.vocabulary + 3) / 4;
    const i32 per_part = ceil_div(vectors, team.parts);
    for (i32 i = threadIdx.x; i < count; i += THREADS) {
        const u32 id = edits[i].id;
        if (id < u32(row.vocabulary) && i32((id + row.lead) / 4) / per_part == team.part) change(logits[id], edits[i]);
    }
    __syncthreads();
}
