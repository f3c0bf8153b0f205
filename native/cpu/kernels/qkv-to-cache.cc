// Finishes queries, keys and values of a step's tokens: norm over each head of q and k, rotary embedding, then k and v
// written in place into the cache and q to `out`. See wl_qkv in commands.h; caches as in cache.h.
//
// Bound by memory: q, k and v are read once and written once. A key is scattered over its block, head_dim elements
// block_size apart: the tokens of a block are written head by head, so that a head's part of it (4 KB) is filled while
// it is in first-level cache.
#include "../core/operation.h"
#include "cache.h"
#include "norm-row.h"

namespace warpline::WL_LEVEL {
namespace {

// (a, b) becomes (a cos - b sin, b cos + a sin).
void turn_halves(float* head, int32_t half, const float* cosines, const float* sines) {
  each_vector(half, [=](int64_t i, auto lanes) {
    const vf a = load(head + i, lanes), b = load(head + half + i, lanes);
    const vf c = load(cosines + i, lanes), s = load(sines + i, lanes);
    store(head + i, a * c - b * s, lanes);
    store(head + half + i, b * c + a * s, lanes);
  });
}

void turn_neighbours(float* head, int32_t half, const float* cosines, const float* sines) {
  for (int32_t i = 0; i < half; i++) {
    const float a = head[2 * i], b = head[2 * i + 1];
    head[2 * i] = a * cosines[i] - b * sines[i];
    head[2 * i + 1] = b * cosines[i] + a * sines[i];
  }
}

const float* turn_of(const wl_qkv& p, int64_t token) { return p.turns ? p.turns + token * p.rotary_dim : nullptr; }

void finish_head(const wl_qkv& p, const float* x, const Normalisation& norm, const float* turn, float* head) {
  if (norm.kind != WL_NO_NORM) {
    normalise(x, p.head_dim, norm, head);
  } else {
    memcpy(head, x, static_cast<size_t>(p.head_dim) * sizeof(float));
  }
  if (!turn) return;
  const int32_t half = p.rotary_dim / 2;
  (p.interleaved ? turn_neighbours : turn_halves)(head, half, turn, turn + half);
}

template <class Cache>
void write_key(const float* head, int64_t padded, int64_t block_size, typename Cache::Element* key) {
  for (int64_t i = 0; i < padded; i += kWidth) {
    typename Cache::Element narrow[kWidth];
    Cache::store(narrow, load(head + i));
    for (int lane = 0; lane < kWidth; lane++) key[(i + lane) * block_size] = narrow[lane];
  }
}

template <class Cache>
void write_value(const float* head, int64_t padded, typename Cache::Element* value) {
  for (int64_t i = 0; i < padded; i += kWidth) Cache::store(value + i, load(head + i));
}

template <class Cache>
void write_block(const wl_qkv& p, int64_t first, int64_t last, float* head) {
  using Element = typename Cache::Element;
  const CacheShape shape = {p.kv_heads, p.head_dim, p.block_size};
  const Normalisation norm = {p.k_norm, p.k_epsilon, p.k_weight, p.k_bias};
  const int64_t block = p.slots[first] / p.block_size;
  for (int32_t h = 0; h < p.kv_heads; h++) {
    Element* keys = static_cast<Element*>(p.key_cache) + shape.head(block, h);
    Element* values = static_cast<Element*>(p.value_cache) + shape.head(block, h);
    for (int64_t t = first; t < last; t++) {
      const int64_t place = p.slots[t] - block * p.block_size;
      finish_head(p, p.k + t * p.k_stride + h * p.head_dim, norm, turn_of(p, t), head);
      write_key<Cache>(head, shape.padded(), p.block_size, keys + place);
      memcpy(head, p.v + t * p.v_stride + h * p.head_dim, static_cast<size_t>(p.head_dim) * sizeof(float));
      write_value<Cache>(head, shape.padded(), values + place * shape.padded());
    }
  }
}

void write_queries(const wl_qkv& p, Range tokens) {
  const Normalisation norm = {p.q_norm, p.q_epsilon, p.q_weight, p.q_bias};
  for (int64_t t = tokens.first; t < tokens.last; t++) {
    const float* q = p.q + t * p.q_stride;
    float* out = p.out + t * p.heads * p.head_dim;
    for (int32_t h = 0; h < p.heads; h++) {
      finish_head(p, q + h * p.head_dim, norm, turn_of(p, t), out + h * p.head_dim);
    }
  }
}

template <class Cache>
void run_tokens(const wl_qkv& p, Range tokens, float* head) {
  write_queries(p, tokens);
  for (int64_t first = tokens.first; first < tokens.last;) {
    int64_t last = first + 1;
    while (last < tokens.last && p.slots[last] / p.block_size == p.slots[first] / p.block_size) last++;
    write_block<Cache>(p, first, last, head);
    first = last;
  }
}

// A head of each thread's own, padded.
int64_t head_floats(const wl_command& command) {
  const wl_qkv& p = command.qkv;
  return CacheShape{p.kv_heads, p.head_dim, p.block_size}.padded();
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_qkv& p = command.qkv;
  const Range tokens = context.share(rows_of(command, *context.step));
  float* head = reinterpret_cast<float*>(context.scratch) + context.thread * head_floats(command);
  memset(head, 0, static_cast<size_t>(head_floats(command)) * sizeof(float));
  switch (p.cache_type) {
    case WL_CACHE_F32: run_tokens<CacheF32>(p, tokens, head); return WL_OK;
    case WL_CACHE_BF16: run_tokens<CacheBf16>(p, tokens, head); return WL_OK;
    case WL_CACHE_F16: run_tokens<CacheF16>(p, tokens, head); return WL_OK;
    default: return WL_BAD_COMMAND;
  }
}

size_t scratch(const wl_command& command, const wl_step&, int32_t threads) {
  return static_cast<size_t>(head_floats(command) * threads) * sizeof(float);
}

}  // namespace

extern const Operation kQkvToCache;
const Operation kQkvToCache = {run, scratch};

}  // namespace warpline::WL_LEVEL
