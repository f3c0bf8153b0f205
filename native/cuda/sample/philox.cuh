// Philox4x32-10 (Salmon et al. 2011) as sampling/philox.ts of src/backend/reference uses it: key = seed, counter = (position, sample
// index, 0, 0).
#pragma once
#include "record.cuh"

/// The number in [0, 1) that decides a draw, times 2^64: 53 bits, then zeros.
__device__ __forceinline__ u64 uniform_fraction(const SampleRequest& q) {
    u32 c0 = q.position, c1 = q.sample_index, c2 = 0, c3 = 0;
    u32 k0 = q.seed_low, k1 = q.seed_high;
#pragma unroll 1
    for (int round = 0; round < 10; round++) {
        const u32 high0 = __umulhi(0xd2511f53u, c0), low0 = 0xd2511f53u * c0;
        const u32 high1 = __umulhi(0xcd9e8d57u, c2), low1 = 0xcd9e8d57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (u64(c0) << 32 | c1) >> 11 << 11;
}
