// Causal attention of a ragged batch over the paged cache: see wl_attention in commands.h, cache.h for the layout, and
// src/backend/reference/attention.ts for the definition.
//
// Prompts are bound by arithmetic, 4 * head_dim floating-point operations a query-key pair; decoding by reading keys
// and values once. Both take tiles of keys in ascending order with the online softmax of Milakov & Gimelshein 2018 (as
// flash attention, Dao et al. 2022, and flash decoding do): a row keeps the largest score so far, the total of its
// weights and their sum of values, and scales them down when a tile brings a larger score.
//
// Reached on one Zen 5 core with AVX-512, heads of 64, f32 cache: 170 GFLOP/s for 512 queries on 0 to 2048 cached keys.
//
// The same bits for a token wherever it is computed: tiles begin at absolute positions (attention/tile.h), a tile's
// result is complete before it joins the row's, and tiles join in ascending order, whether one thread walks over them
// or several have computed them apart (attention/plan.h).
#include "attention/plan.h"

#include "../core/operation.h"
#include "vectors.h"

namespace warpline::WL_LEVEL {
namespace {

struct State {
  float largest;
  float total;
};

WL_INLINE float exp_of(float x) {
  float lanes[kWidth];
  store(lanes, exp_below_one(splat(x)));
  return lanes[0];
}

// acc, sums: [padded].
void join(State& state, float* acc, const Softened& tile, const float* sums, int64_t padded) {
  // Of the two, the one with the larger scores keeps its weights.
  const float above = tile.largest - state.largest;
  const float fall = exp_of(above > 0 ? -above : above);
  const float keep = above > 0 ? fall : 1.0f;
  const float take = above > 0 ? 1.0f : fall;
  state = {above > 0 ? tile.largest : state.largest, state.total * keep + tile.total * take};
  for (int64_t i = 0; i < padded; i += kWidth) {
    store(acc + i, fma(load(sums + i), splat(take), load(acc + i) * splat(keep)));
  }
}

void write_row(const State& state, const float* acc, int64_t head_dim, float* out) {
  const vf share = splat(1.0f / state.total);
  each_vector(head_dim, [=](int64_t i, auto lanes) { store(out + i, load(acc + i, lanes) * share, lanes); });
}

// A thread's own memory.
struct Work {
  float* scores;  // [kGroup][kTile]
  float* sums;    // [kGroup][padded], of one tile
  float* acc;     // [kRows][padded], of all tiles so far

  static int64_t floats(int64_t padded) { return kGroup * kTile + (kGroup + kRows) * padded; }
};

class Attending {
 public:
  Attending(const wl_attention& p, const wl_step& step)
      : p_(p), width_(step.size[WL_WIDTH]), shape_{p.kv_heads, p.head_dim, p.block_size} {}

  int64_t padded() const { return shape_.padded(); }

  template <class Cache>
  void attend(const Item& item, const Work& work, float* partials) const {
    const Chunk& c = item.chunk;
    State states[kRows];
    for (int32_t r = 0; r < c.rows; r++) states[r] = {-__builtin_inff(), 0};
    memset(work.acc, 0, static_cast<size_t>(c.rows * padded()) * sizeof(float));
    for (int32_t t = item.first_tile; t <= item.last_tile; t++) {
      const Tile<Cache> tile = tile_of<Cache>(c, t);
      for (int32_t r = 0; r < c.rows; r += kGroup) {
        Row rows[kGroup];
        Softened softened[kGroup];
        const int32_t count = c.rows - r < kGroup ? c.rows - r : kGroup;
        for (int32_t i = 0; i < count; i++) rows[i] = row_of(c, r + i, t);
        attend_group(rows, count, tile, t, work, softened);
        for (int32_t i = 0; i < count; i++) {
          if (rows[i].keys.empty()) continue;
          const float* sums = work.sums + i * padded();
          if (item.partial < 0) {
            join(states[r + i], work.acc + (r + i) * padded(), softened[i], sums, padded());
          } else {
            write_partial(partial_of(item, r + i, t, partials), softened[i], sums);
          }
        }
      }
    }
    if (item.partial >= 0) return;
    for (int32_t r = 0; r < c.rows; r++) write_row(states[r], work.acc + r * padded(), p_.head_dim, out_of(c, r));
  }

  // A row of a cut chunk, from the partial results of all its tiles.
  void join_row(const Item& item, int32_t row, float* partials, float* acc) const {
    State state = {-__builtin_inff(), 0};
    memset(acc, 0, static_cast<size_t>(padded()) * sizeof(float));
    for (int32_t t = item.chunk.first_tile; t <= item.chunk.last_tile; t++) {
      if (row_of(item.chunk, row, t).keys.empty()) continue;
      const float* partial = partial_of(item, row, t, partials);
      join(state, acc, {partial[padded()], partial[padded() + 1]}, partial, padded());
    }
    write_row(state, acc, p_.head_dim, out_of(item.chunk, row));
  }

 private:
  template <class Cache>
  Tile<Cache> tile_of(const Chunk& c, int32_t index) const {
    using Element = typename Cache::Element;
    const Element* keys = static_cast<const Element*>(p_.key_cache);
    const Element* values = static_cast<const Element*>(p_.value_cache);
    const int32_t* table = p_.block_tables + int64_t{c.sequence} * width_;
    const int64_t last = (int64_t{p_.context_lengths[c.sequence]} - 1) / p_.block_size;
    Tile<Cache> tile;
    tile.block_size = p_.block_size;
    tile.padded = padded();
    for (int64_t i = 0; i < kTile / tile.span(); i++) {
      const int64_t key = int64_t{index} * kTile + i * tile.span();
      const int64_t block = key / p_.block_size < last ? key / p_.block_size : last;
      const int64_t start = shape_.head(table[block], c.kv_head);
      tile.keys[i] = keys + start + key % p_.block_size;
      tile.values[i] = values + start + key % p_.block_size * padded();
    }
    return tile;
  }

  Row row_of(const Chunk& c, int32_t row, int32_t tile) const {
    const int64_t position = position_of(p_, c.sequence, c.first_row + row);
    const int64_t start = int64_t{tile} * kTile;
    const int64_t first = first_key(p_, position) - start;
    const int64_t last = position - start;
    const int32_t head = head_of(c, row);
    return {p_.q + (token_of(c, row) * p_.heads + head) * p_.head_dim, p_.alibi ? p_.alibi[head] : 0, position,
            Keys{static_cast<int32_t>(first > 0 ? first : 0), static_cast<int32_t>(last < kTile ? last : kTile - 1)}};
  }

  template <class Cache>
  void attend_group(const Row* rows, int32_t count, const Tile<Cache>& tile, int32_t index, const Work& work,
                    Softened* softened) const {
    const Bias bias = {p_.scale, p_.soft_cap, p_.alibi_scale};
    const int64_t start = int64_t{index} * kTile;
    switch (count) {
      case 1: attend_rows<Cache, 1>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums); return;
      case 2: attend_rows<Cache, 2>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums); return;
      case 3: attend_rows<Cache, 3>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums); return;
      case 4: attend_rows<Cache, 4>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums); return;
      case 5: attend_rows<Cache, 5>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums); return;
      default: attend_rows<Cache, kGroup>(rows, tile, bias, p_.head_dim, start, work.scores, softened, work.sums);
    }
  }

  void write_partial(float* partial, const Softened& softened, const float* sums) const {
    memcpy(partial, sums, static_cast<size_t>(padded()) * sizeof(float));
    partial[padded()] = softened.largest;
    partial[padded() + 1] = softened.total;
  }

  float* partial_of(const Item& item, int32_t row, int32_t tile, float* partials) const {
    const int64_t place = int64_t{tile - item.chunk.first_tile} * item.chunk.rows + row;
    return partials + item.partial + place * partial_floats(padded());
  }

  int64_t token_of(const Chunk& c, int32_t row) const {
    return int64_t{p_.query_starts[c.sequence]} + (c.first_row + row) / grouped_heads(p_);
  }
  int32_t head_of(const Chunk& c, int32_t row) const {
    return c.kv_head * grouped_heads(p_) + (c.first_row + row) % grouped_heads(p_);
  }
  float* out_of(const Chunk& c, int32_t row) const {
    return p_.out + (token_of(c, row) * p_.heads + head_of(c, row)) * p_.head_dim;
  }

  const wl_attention& p_;
  const int64_t width_;
  const CacheShape shape_;
};

// What threads share: the items and partial results; then each thread's work.
struct Layout {
  Item* items;
  float* partials;
  float* work;

  static constexpr int64_t kLine = 64;
  static int64_t lines(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }
  static int64_t item_bytes(const Plan& plan) { return lines(plan.items * static_cast<int64_t>(sizeof(Item))); }
  static int64_t partial_bytes(const Plan& plan) { return lines(plan.partials * 4); }

  static int64_t bytes(const Plan& plan, int64_t padded, int32_t threads) {
    return item_bytes(plan) + partial_bytes(plan) + threads * Work::floats(padded) * 4;
  }
  Layout(uint8_t* scratch, const Plan& plan)
      : items(reinterpret_cast<Item*>(scratch)),
        partials(reinterpret_cast<float*>(scratch + item_bytes(plan))),
        work(reinterpret_cast<float*>(scratch + item_bytes(plan) + partial_bytes(plan))) {}

  Work of(int32_t thread, int64_t padded) const {
    float* scores = work + thread * Work::floats(padded);
    float* sums = scores + kGroup * kTile;
    return {scores, sums, sums + kGroup * padded};
  }
};

template <class Cache>
void run_items(const wl_command& command, const Context& context) {
  const wl_attention& p = command.attention;
  const Plan plan = plan_of(p, *context.step, context.threads);
  const Layout layout(context.scratch, plan);
  if (context.thread == 0) write_items(p, context.step->size[WL_SEQUENCES], plan, layout.items);
  context.barrier();
  const Attending attending(p, *context.step);
  const Work work = layout.of(context.thread, attending.padded());
  for (Loop loop(context, plan.items); loop.next();) {
    attending.attend<Cache>(layout.items[loop.item()], work, layout.partials);
  }
  if (plan.partials == 0) return;
  context.barrier();
  int64_t row = 0;
  for (int64_t i = 0; i < plan.items; i++) {
    const Item& item = layout.items[i];
    if (item.partial < 0 || item.first_tile != item.chunk.first_tile) continue;
    for (int32_t r = 0; r < item.chunk.rows; r++, row++) {
      if (row % context.threads == context.thread) attending.join_row(item, r, layout.partials, work.acc);
    }
  }
}

int32_t run(const wl_command& command, const Context& context) {
  switch (command.attention.cache_type) {
    case WL_CACHE_F32: run_items<CacheF32>(command, context); return WL_OK;
    case WL_CACHE_BF16: run_items<CacheBf16>(command, context); return WL_OK;
    case WL_CACHE_F16: run_items<CacheF16>(command, context); return WL_OK;
    default: return WL_BAD_COMMAND;
  }
}

size_t scratch(const wl_command& command, const wl_step& step, int32_t threads) {
  const wl_attention& p = command.attention;
  const int64_t padded = CacheShape{p.kv_heads, p.head_dim, p.block_size}.padded();
  return static_cast<size_t>(Layout::bytes(plan_of(p, step, threads), padded, threads));
}

}  // namespace

extern const Operation kAttention;
const Operation kAttention = {run, scratch};

}  // namespace warpline::WL_LEVEL
