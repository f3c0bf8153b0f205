// What a row asks for and what it gets: src/backend/cuda/sampling.ts writes and reads these. Offsets are bytes from the beginning of
// the buffer of requests, or of results, so that both can lie anywhere and a captured graph needs no new addresses.
#pragma once
#include "common/types.cuh"

enum SampleMode : i32 { SKIP = 0, DRAW, BEAM, SCORE };
enum SampleFailure : i32 { SAMPLED = 0, LOGITS_NOT_FINITE, NOTHING_ALLOWED };
enum EditFlags : i32 { IN_HISTORY = 1, BANNED = 2 };

struct SampleRequest {
    double top_p;       // 1: off
    double repetition;  // 1: off
    double presence;
    double frequency;
    i32 mode;                   // SampleMode
    float inverse_temperature;  // 0: greedy
    i32 top_k;                  // 0: off
    float log_min_p;            // -Infinity: off
    i32 seed_low;
    i32 seed_high;
    i32 position;
    i32 sample_index;
    i32 edits_at;    // SampleEdit [edits] among the requests
    i32 edits;
    i32 allowed_at;  // a bit for each token, 32 in a word, among the requests; 0: all are allowed
    i32 report;      // 1: log-probability and rank of the token, the target or the candidates
    i32 target;
    i32 top;         // how many of the likeliest to list
    i32 candidates;  // a beam's
    i32 lists_at;    // i32 ids and float log-probabilities [top + candidates], i32 ranks and float raw ones [candidates]
};

/// A token whose logit is changed; every token has at most one.
struct SampleEdit {
    i32 id;
    i32 count_and_flags;  // 4 * occurrences in the output + EditFlags
    float bias;
    float raw;            // where the kernel keeps the logit meanwhile
};

struct SampleResult {
    i32 token;
    i32 failure;  // SampleFailure
    i32 rank;
    float logprob;
    i32 top;         // listed
    i32 candidates;
    i32 reserved0;
    i32 reserved1;
};

struct SampleParams {
    float* logits;
    void* requests;
    void* results;
    i32* tokens;
    i32 vocabulary;
    i32 parts;
    float unit;  // weights are whole multiples of 1 / unit
};
