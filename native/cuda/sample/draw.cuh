// Temperature, top-k, top-p, min-p and the draw: sampling/filters.ts and sampling/draw.ts of src/backend/reference say what is computed.
// A token's weight is exp((logit - best) / temperature), rounded to whole multiples of 1 / unit: the best has `unit`, about 2^44.
#pragma once
#include "border.cuh"
#include "philox.cuh"
#include "record.cuh"

struct Weigh {
    float best;
    float inverse_temperature;
    float unit;

    __device__ __forceinline__ float score(float x) const { return (x - best) * inverse_temperature; }
    __device__ __forceinline__ u64 operator()(float x) const { return u64(__float2ull_rn(expf(score(x)) * unit)); }
};

struct ByCount {
    __device__ __forceinline__ bool admits(float, i32) const { return true; }
    __device__ __forceinline__ u64 of(float) const { return 1; }
};

/// Tokens that top-k left and that weigh anything.
struct ByMass {
    Weigh weigh;
    Keep keep;
    __device__ __forceinline__ bool admits(float x, i32 id) const { return keep(x, id) && of(x) > 0; }
    __device__ __forceinline__ u64 of(float x) const { return weigh(x); }
};

constexpr float BINS_PER_UNIT = 16;

__device__ __forceinline__ i32 draw(const Row& row, Team& team, const SampleRequest& q, float best, float unit) {
    const Weigh weigh = {best, q.inverse_temperature, unit};
    Keep keep = {0, NO_LIMIT};
    if (q.top_k > 0 && q.top_k < row.vocabulary) {
        const u64 k = u64(q.top_k);
        // Tokens tied with the k-th stay.
        keep.key = find_border(row, team, best, BINS_PER_UNIT, ByCount(), [=](u64) { return k; }).key;
    }
    if (q.top_p < 1) {
        const ByMass mass = {weigh, keep};
        const auto share = [&](u64 total) {
            const double wanted = ceil(q.top_p * double(total));
            return wanted < 1 ? u64(1) : wanted >= double(total) ? total : u64(wanted);
        };
        const Border border = find_border(row, team, best, BINS_PER_UNIT * q.inverse_temperature, mass, share);
        keep = keep_needed(row, team, border, mass);
    }
    const float log_min_p = q.log_min_p;
    const auto weight = [=](float x, i32 id) {
        return keep(x, id) && weigh.score(x) >= log_min_p ? weigh(x) : u64(0);
    };
    const u64 fraction = uniform_fraction(q);
    return locate(row, team, weight, [=](u64 total) { return __umul64hi(fraction, total); });
}
