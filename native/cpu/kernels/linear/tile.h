// A register tile: the innermost part of a product. sums[rows][kColumns] += x[rows][inputs] * panel[inputs][kColumns],
// for one chunk of inputs (operand.h) and so many rows as the tile was made for.
#ifndef WARPLINE_TILE_H
#define WARPLINE_TILE_H

#include "../../simd/unroll.h"
#include "expand.h"
#include "operand.h"

namespace warpline::WL_LEVEL {

// What a tile fetches ahead while it computes. A tile that sees its panel for the only time (few rows) fetches the
// panel two lines a step, some way ahead of itself. One of many tiles that share a chunk fetches the next tile's words
// of x, which follow its own, into the first-level cache, and its part of the panel's next chunk into the second.
struct Ahead {
  const uint8_t* panel;
  const uint8_t* x;  // null for the only tile
  int stride;        // bytes of the panel that are this tile's part at each step

  WL_INLINE_MEMBER void fetch() {
    if (x) {
      __builtin_prefetch(x, 0, 3);
      __builtin_prefetch(panel, 0, 2);
      if (stride > 64) __builtin_prefetch(panel + 64, 0, 2);
      x += 64;
    } else {
      __builtin_prefetch(panel, 0, 3);
      __builtin_prefetch(panel + 64, 0, 3);
    }
    panel += stride;
  }
  // A lone tile's line of scales at the head of a group.
  WL_INLINE_MEMBER void fetch_scales() {
    if (x) return;
    __builtin_prefetch(panel, 0, 3);
    panel += kColumns * kGroupScaleBytes;
  }
};

// `panel` is at the chunk's first step, or at its first group's scales; or it is an expanded chunk.
using Tile = void (*)(const uint32_t* x, const uint8_t* panel, int64_t inputs, Ahead ahead, float* sums);

// How this level multiplies a storage. Tiles are by number of rows less one.
struct Tiling {
  OperandKind operand;
  const Tile* alone;  // for up to alone_rows rows, which then see the panel once
  int alone_rows;
  const Tile* shared;  // for more: tiles of up to shared_rows rows share each chunk
  int shared_rows;
  Expand expand;  // of chunks for the shared tiles; null where they read the panel itself
};

extern const Tiling kTilings[WL_STORAGES];

}  // namespace warpline::WL_LEVEL
#endif
