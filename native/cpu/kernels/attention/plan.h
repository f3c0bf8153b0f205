// How a step's attention is cut into items that threads take one after another.
//
// A chunk is up to kRows query rows of one sequence and one key head: tokens times the query heads that share it, so
// that grouped heads share loads as neighbouring tokens do. It is one item where there are chunks enough for all
// threads; otherwise (few sequences, few key heads: decoding) it becomes one for each run of tiles, and the tiles'
// results are joined afterwards in ascending order, by the arithmetic of an uncut chunk.
#ifndef WARPLINE_ATTENTION_PLAN_H
#define WARPLINE_ATTENTION_PLAN_H

#include "../../commands.h"
#include "tile.h"

namespace warpline::WL_LEVEL {

constexpr int kRows = 16 * kGroup;

struct Chunk {
  int32_t sequence;
  int32_t kv_head;
  int32_t first_row;  // of the sequence's tokens times grouped heads in this step
  int32_t rows;
  int32_t first_tile;  // that any row sees
  int32_t last_tile;
};

struct Item {
  Chunk chunk;
  int32_t first_tile;
  int32_t last_tile;
  int64_t partial;  // where the chunk's tiles put their results, in floats; -1: the item is the whole chunk
};

WL_INLINE int32_t grouped_heads(const wl_attention& p) { return p.heads / p.kv_heads; }

WL_INLINE int64_t position_of(const wl_attention& p, int32_t sequence, int32_t row) {
  const int32_t queries = p.query_starts[sequence + 1] - p.query_starts[sequence];
  return int64_t{p.context_lengths[sequence]} - queries + row / grouped_heads(p);
}

WL_INLINE int64_t first_key(const wl_attention& p, int64_t position) {
  return p.window > 0 && position >= p.window ? position - p.window + 1 : 0;
}

// Late chunks of a prompt see the most keys: they come first, so that threads finish together.
template <class Body>
void each_chunk(const wl_attention& p, int32_t sequences, Body body) {
  for (int32_t s = 0; s < sequences; s++) {
    const int32_t rows = (p.query_starts[s + 1] - p.query_starts[s]) * grouped_heads(p);
    for (int32_t first = (rows - 1) / kRows * kRows; first >= 0; first -= kRows) {
      const int32_t count = rows - first < kRows ? rows - first : kRows;
      const int64_t from = first_key(p, position_of(p, s, first));
      const int64_t to = position_of(p, s, first + count - 1);
      for (int32_t h = 0; h < p.kv_heads; h++) {
        body(Chunk{s, h, first, count, static_cast<int32_t>(from / kTile), static_cast<int32_t>(to / kTile)});
      }
    }
  }
}

// Partial result of a row and a tile: the sums, then largest score and total weight.
WL_INLINE int64_t partial_floats(int64_t padded) { return padded + kPad; }

struct Plan {
  int64_t tiles_per_item;  // 0: chunks stay whole
  int64_t items;
  int64_t partials;  // floats

  WL_INLINE_MEMBER bool cuts(const Chunk& c) const {
    return tiles_per_item > 0 && c.last_tile - c.first_tile >= tiles_per_item;
  }
};

inline __attribute__((always_inline)) Plan plan_of(const wl_attention& p, const wl_step& step, int32_t threads) {
  const int32_t sequences = step.size[WL_SEQUENCES];
  int64_t chunks = 0, tiles = 0;
  for (int32_t s = 0; s < sequences; s++) {
    const int32_t rows = (p.query_starts[s + 1] - p.query_starts[s]) * grouped_heads(p);
    chunks += int64_t{p.kv_heads} * ((rows + kRows - 1) / kRows);
  }
  if (threads == 1 || chunks >= 3 * threads) return {0, chunks, 0};
  each_chunk(p, sequences, [&](const Chunk& c) { tiles += c.last_tile - c.first_tile + 1; });
  const int64_t padded = CacheShape{p.kv_heads, p.head_dim, p.block_size}.padded();
  Plan plan = {(tiles + 4 * threads - 1) / (4 * threads), 0, 0};
  each_chunk(p, sequences, [&](const Chunk& c) {
    const int64_t count = c.last_tile - c.first_tile + 1;
    plan.items += plan.cuts(c) ? (count + plan.tiles_per_item - 1) / plan.tiles_per_item : 1;
    plan.partials += plan.cuts(c) ? count * c.rows * partial_floats(padded) : 0;
  });
  return plan;
}

inline __attribute__((always_inline)) void write_items(const wl_attention& p, int32_t sequences, const Plan& plan,
                                                       Item* items) {
  const int64_t padded = CacheShape{p.kv_heads, p.head_dim, p.block_size}.padded();
  int64_t partial = 0;
  each_chunk(p, sequences, [&](const Chunk& c) {
    if (!plan.cuts(c)) {
      *items++ = {c, c.first_tile, c.last_tile, -1};
      return;
    }
    for (int64_t tile = c.first_tile; tile <= c.last_tile; tile += plan.tiles_per_item) {
      const int64_t end = tile + plan.tiles_per_item - 1;
      const int64_t last = end < c.last_tile ? end : c.last_tile;
      *items++ = {c, static_cast<int32_t>(tile), static_cast<int32_t>(last), partial};
    }
    partial += (c.last_tile - c.first_tile + 1) * c.rows * partial_floats(padded);
  });
}

}  // namespace warpline::WL_LEVEL
#endif
