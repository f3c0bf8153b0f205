// Commands: what TypeScript writes into native memory, once per program, and wl_run reads at each step. Every command
// is 256 bytes: a head, then the parameters of its operation. Pointers are absolute; strides count elements, from one
// row to the next. Activations are f32. Null stands for an operand that the operation goes without.
//
// To add an operation: an opcode, its parameter struct in the union, a kernel file in kernels/ that defines its
// `Operation` (core/operation.h), a line in kernels/table.cc.
#ifndef WARPLINE_CPU_COMMANDS_H
#define WARPLINE_CPU_COMMANDS_H

#include "abi.h"

typedef enum wl_opcode {
  WL_OP_LINEAR = 1,
  WL_OP_EMBED = 2,
  WL_OP_NORM = 3,
  WL_OP_ADD = 4,
  WL_OP_TURNS = 5,
  WL_OP_QKV_TO_CACHE = 6,
  WL_OP_ATTENTION = 7,
  WL_OP_MOE = 8,
  WL_OP_GATHER_ROWS = 9,
  WL_OP_COPY_BLOCKS = 10,
  WL_OP_SAMPLE = 11,
  WL_OPCODES = 32
} wl_opcode;

typedef enum wl_activation {
  WL_IDENTITY = 0,
  WL_RELU = 1,
  WL_RELU2 = 2,
  WL_GELU = 3,
  WL_GELU_TANH = 4,
  WL_GELU_QUICK = 5,
  WL_SILU = 6,
  WL_TANH = 7,
  WL_ACTIVATIONS = 8
} wl_activation;

// t = scale * (x W^T + bias); with softCap > 0: t = softCap * tanh(t / softCap).
// Gated (weight.gated): out = activation(t[:, n]) * t[:, N/2 + n] + residual, out [M, N/2], no multiply.
// Otherwise out = activation(t) * multiply + residual, out [M, N].
// x [M, K], bias [N]; M is the step's size `head.rows`. `out` may be the same buffer as `multiply` or `residual`.
// Serves both Linear and Logits.
typedef struct wl_linear {
  wl_matrix weight;
  const float* x;
  const float* bias;
  const float* multiply;
  const float* residual;
  float* out;
  int64_t x_stride;
  int64_t multiply_stride;
  int64_t residual_stride;
  int64_t out_stride;
  float scale;    // 1 where there is none
  float soft_cap; // 0 where there is none
  int32_t activation; // wl_activation
  int32_t reserved;
} wl_linear;

// out[t] = scale * table[ids[t] + id_offset] + position_table[positions[t] + position_offset]; where the id is -1 and
// there are rows, rows[t] takes the table's place. out, rows [M, width], position_table [places, width], width =
// table.inputs.
typedef struct wl_embed {
  wl_matrix table;
  const int32_t* ids;
  const float* rows;
  const int32_t* positions;
  const float* position_table;
  float* out;
  int32_t id_offset;
  int32_t position_offset;
  float scale; // 1 where there is none
  int32_t reserved;
} wl_embed;

typedef enum wl_norm_kind {
  WL_NO_NORM = 0,
  WL_LAYER_NORM = 1,
  WL_RMS_NORM = 2
} wl_norm_kind;

#define WL_MOST_ADDS 8

// s = x + adds[0] + adds[1] + ..., left to right; sum = s; out = norm(s) * weight + bias. All [M, width] and [width].
// `sum` and `out` may be the same buffer as any operand.
typedef struct wl_norm {
  const float* x;
  const float* adds[WL_MOST_ADDS];
  const float* weight;
  const float* bias;
  float* sum;
  float* out;
  int32_t width;
  int32_t add_count;
  int32_t kind; // wl_norm_kind
  float epsilon;
} wl_norm;

// out = x + y; all [M, width], `out` may be either.
typedef struct wl_add {
  const float* x;
  const float* y;
  float* out;
  int64_t width;
} wl_add;

// How far each token turns: out[t] = dim / 2 cosines, then as many sines, of positions[t] * frequencies, times scale. A
// step computes it once for all layers. Where `lengths` is given and lengths[t] > original, the frequencies are those
// of base theta * (factor * lengths[t] / original - (factor - 1)) ^ (dim / (dim - 2)).
typedef struct wl_turns {
  const float* frequencies; // [dim / 2]
  const int32_t* positions; // [M]
  const int32_t* lengths;   // [M] or null
  float* out;               // [M, dim]
  double theta;
  double factor;
  double original;
  float scale;
  int32_t dim;
} wl_turns;

typedef enum wl_cache_type {
  WL_CACHE_F32 = 0,
  WL_CACHE_BF16 = 1,
  WL_CACHE_F16 = 2
} wl_cache_type;

// q, k and v [M, heads * head_dim] and [M, kv_heads * head_dim], each with its stride; out [M, heads * head_dim].
// Layout of the caches: kernels/cache.h. slots [M]: block * block_size + place in the block.
typedef struct wl_qkv {
  const float* q;
  const float* k;
  const float* v;
  int64_t q_stride;
  int64_t k_stride;
  int64_t v_stride;
  const float* q_weight; // [head_dim] each, of the norms over a head
  const float* q_bias;
  const float* k_weight;
  const float* k_bias;
  const float* turns; // [M, rotary_dim] of wl_turns; null where nothing turns
  const int32_t* slots;
  void* key_cache;
  void* value_cache;
  float* out;
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t block_size;
  int32_t cache_type; // wl_cache_type
  int32_t rotary_dim;
  int32_t interleaved; // 1: element 2i turns with 2i + 1; 0: i with i + rotary_dim / 2
  int32_t q_norm;      // wl_norm_kind
  int32_t k_norm;
  float q_epsilon;
  float k_epsilon;
  int32_t reserved;
} wl_qkv;

// q, out [M, heads * head_dim]. The step's SEQUENCES sequences own the tokens query_starts[s] .. query_starts[s + 1],
// the last at position context_lengths[s] - 1; block_tables [sequences, the step's WIDTH].
typedef struct wl_attention {
  const float* q;
  const void* key_cache;
  const void* value_cache;
  const float* alibi; // [heads] or null
  const int32_t* query_starts;
  const int32_t* context_lengths;
  const int32_t* block_tables;
  float* out;
  int32_t heads;
  int32_t kv_heads;
  int32_t head_dim;
  int32_t block_size;
  int32_t cache_type; // wl_cache_type
  int32_t window;     // 0: none
  float scale;
  float soft_cap;    // 0: none
  float alibi_scale; // 0: none, the bias is not rounded
  int32_t reserved;
} wl_attention;

// `router` [experts, hidden]; `up`, `down` describe the first expert's matrices, the others' `data` follow every
// up_bytes and down_bytes. up.gated as in wl_linear. up_bias [experts, up.outputs], down_bias [experts, hidden]. x, out
// [M, hidden].
typedef struct wl_moe {
  wl_matrix router;
  wl_matrix up;
  wl_matrix down;
  int64_t up_bytes;
  int64_t down_bytes;
  const float* x;
  const float* up_bias;
  const float* down_bias;
  float* out;
  int32_t experts;
  int32_t top_k;
  int32_t renormalise;
  int32_t activation; // wl_activation
} wl_moe;

// out[r] = x[rows[r]]; x [tokens, width], out [M, width].
typedef struct wl_gather_rows {
  const float* x;
  const int32_t* rows;
  float* out;
  int64_t width;
} wl_gather_rows;

typedef struct wl_cache {
  void* data;
  int64_t block_bytes;
} wl_cache;

// In every cache, block pairs[2i + 1] becomes a copy of block pairs[2i], for i < M.
typedef struct wl_copy_blocks {
  const wl_cache* caches;
  const int32_t* pairs;
  int64_t count; // of caches
} wl_copy_blocks;

typedef enum wl_sampling_mode {
  WL_SKIP = 0, // nothing is written
  WL_DRAW = 1,
  WL_BEAM = 2,
  WL_SCORE = 3
} wl_sampling_mode;

// What a row asks for, written by the host before the step: see SamplingRow in src/program/step.ts. Penalties and bans
// are not known here: the host applies them to `processed`.
typedef struct wl_sampling {
  const float* processed; // [vocabulary] to draw from in place of the row's own logits; null: those
  const uint32_t* allowed; // [ceil(vocabulary / 32)] a bit for each token that may be chosen, lowest first; null: all may
  int32_t* ids;           // the `top` likeliest, then the `candidates` best
  float* logprobs;        // theirs
  int32_t* ranks;         // of the candidates, and
  float* raw_logprobs;    // both only where `report`
  double uniform;         // in [0, 1): decides the draw
  double top_p;
  double min_p;
  double temperature;
  int32_t mode; // wl_sampling_mode
  int32_t top_k;
  int32_t top;
  int32_t candidates;
  int32_t report; // 1: log-probability and rank of the drawn token, of the target or of the candidates
  int32_t target;
} wl_sampling;

typedef enum wl_sample_failure {
  WL_SAMPLED = 0,
  WL_LOGITS_NOT_FINITE = 1,
  WL_NOTHING_ALLOWED = 2
} wl_sample_failure;

typedef struct wl_sampled {
  int32_t token;   // -1 where none is drawn
  int32_t failure; // wl_sample_failure; nothing else is written then
  int32_t rank;
  float logprob;
  int32_t top;        // found: at most as many as have a finite logit
  int32_t candidates; // found
} wl_sampled;

// logits [M, vocabulary].
typedef struct wl_sample {
  const float* logits;
  const wl_sampling* rows; // [M]
  wl_sampled* results;     // [M]
  int64_t vocabulary;
} wl_sample;

typedef struct wl_command {
  int32_t opcode; // wl_opcode
  int32_t rows;   // wl_size: which of the step's sizes is this operation's number of rows
  union {
    wl_linear linear;
    wl_embed embed;
    wl_norm norm;
    wl_add add;
    wl_turns turns;
    wl_qkv qkv;
    wl_attention attention;
    wl_moe moe;
    wl_gather_rows gather_rows;
    wl_copy_blocks copy_blocks;
    wl_sample sample;
    uint8_t bytes[248];
  };
} wl_command;

#ifdef __cplusplus
static_assert(sizeof(wl_command) == 256, "TypeScript writes commands 256 bytes apart");
#endif
#endif
