// The whole of decoding a row: from logits [rows, vocabulary] in float and a request for each row (sample/record.cuh) to a token, its
// log-probability and rank, the likeliest tokens, a beam's candidates. src/backend/reference/sample.ts is its definition.
//
// A row is shared by `parts` blocks, a cluster. All read the row to find its best token, which ends a greedy row; what else is asked
// costs further passes over it, of which a draw needs one, and top-k and top-p two each: all of them out of the second-level
// cache. Nothing is sorted. Weights are whole numbers, so that their sums, in any order, have the same bits.
//
// Bound by memory for greedy rows: 4 * vocabulary bytes each. Other rows by arithmetic: about 20 instructions a number and pass.
#include "common/launch.cuh"
#include "sample/edit.cuh"
#include "sample/list.cuh"

struct Asked {
    const SampleRequest& q;
    char* requests;
    char* results;

    __device__ __forceinline__ i32* ids() const { return reinterpret_cast<i32*>(results + q.lists_at); }
    __device__ __forceinline__ i32 length() const { return q.top + q.candidates; }
    __device__ __forceinline__ float* logprobs() const { return reinterpret_cast<float*>(ids() + length()); }
    __device__ __forceinline__ i32* ranks() const { return ids() + 2 * length(); }
    __device__ __forceinline__ float* raw_logprobs() const { return reinterpret_cast<float*>(ranks() + q.candidates); }
    __device__ __forceinline__ SampleEdit* edits() const { return reinterpret_cast<SampleEdit*>(requests + q.edits_at); }
    __device__ __forceinline__ const u32* allowed() const {
        return q.allowed_at ? reinterpret_cast<const u32*>(requests + q.allowed_at) : nullptr;
    }
};

/// Ids of the candidates are read from the results, where block 0 left them.
__device__ __forceinline__ void rank_candidates(const Row& raw, Team& team, const Asked& asked, float best, float log_sum,
                                                i32 count) {
    for (i32 c = 0; c < count; c++) {
        const i32 id = *static_cast<const volatile i32*>(asked.ids() + asked.q.top + c);
        const i32 rank = rank_of(raw, team, id);
        if (team.part > 0 || threadIdx.x > 0) continue;
        asked.ranks()[c] = rank;
        asked.raw_logprobs()[c] = raw.at(id) - best - log_sum;
    }
}

__device__ __forceinline__ SampleResult sample_row(const Row& raw, Team& team, const Asked& asked, float* logits, float unit) {
    const SampleRequest& q = asked.q;
    SampleResult result = {-1, SAMPLED, 0, __uint_as_float(0x7fc00000u), 0, 0, 0, 0};
    const Best best = best_of(raw, team);
    if (best.id < 0) {
        result.failure = LOGITS_NOT_FINITE;
        return result;
    }
    const bool beam = q.mode == BEAM;
    const float log_sum = q.report || q.top > 0 || beam ? log_total(raw, team, best.value, unit) : 0;
    if (q.top > 0) {
        result.top = list_best(raw, team, best.value, q.top, [&](i32 n, float x, i32 id) {
            asked.ids()[n] = id;
            asked.logprobs()[n] = x - best.value - log_sum;
        });
    }
    if (q.mode == SCORE) {
        result.token = q.target;
    } else {
        Row row = raw;
        row.allowed = asked.allowed();
        // A beam's edits are of log-probabilities, which are kept as the logits that they would be of.
        const float shift = beam ? best.value + log_sum : 0;
        each_edit(raw, team, logits, asked.edits(), q.edits, [&](float& x, SampleEdit& edit) {
            edit.raw = x;
            x = edited(x - shift, edit, q) + shift;
        });
        const Best allowed = q.edits > 0 || row.allowed ? best_of(row, team) : best;
        if (allowed.id < 0 || (beam && q.candidates == 0)) {
            result.failure = NOTHING_ALLOWED;
            result.top = 0;
        } else if (beam) {
            result.candidates = list_best(row, team, allowed.value, q.candidates, [&](i32 n, float x, i32 id) {
                asked.ids()[q.top + n] = id;
                asked.logprobs()[q.top + n] = x - best.value - log_sum;
            });
        } else {
            result.token = q.inverse_temperature == 0 ? allowed.id : draw(row, team, q, allowed.value, unit);
        }
        each_edit(raw, team, logits, asked.edits(), q.edits, [](float& x, const SampleEdit& edit) { x = edit.raw; });
        if (q.edits > 0 || beam) cluster_barrier(team.parts);
        if (beam && q.report) rank_candidates(raw, team, asked, best.value, log_sum, result.candidates);
    }
    if (q.report && result.token >= 0) {
        result.rank = rank_of(raw, team, result.token);
        result.logprob = raw.at(result.token) - best.value - log_sum;
    }
    if (q.mode == SCORE) result.token = -1;
    return result;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) sample(const __grid_constant__ SampleParams p) {
    __shared__ Shared shared;
    start_next();
    wait_for_inputs();
    const i64 index = blockIdx.x / p.parts;
    Team team = {shared, i32(blockIdx.x % p.parts), p.parts, 0};
    char* requests = static_cast<char*>(p.requests);
    const SampleRequest& q = reinterpret_cast<const SampleRequest*>(requests)[index];
    if (q.mode == SKIP) return;
    float* logits = p.logits + index * p.vocabulary;
    const Row raw = row_of(logits, p.vocabulary, nullptr, team);
    const Asked asked = {q, requests, static_cast<char*>(p.results)};
    const SampleResult result = sample_row(raw, team, asked, logits, p.unit);
    if (team.part == 0 && threadIdx.x == 0) {
        static_cast<SampleResult*>(p.results)[index] = result;
        p.tokens[index] = result.token;
    }
    // Others may still be reading this block's shared memory.
    if (p.parts > 1) cluster_barrier(p.parts);
}
