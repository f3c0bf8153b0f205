// Embedding: out[t] = scale * table[ids[t] + id_offset] (or a soft prompt's own row) + position_table[...].
//
// Bound by latency: a row of the table lies scattered over its panel, one word in every kColumns. A table is packed as a
// product's weight since tied models use it as both, and a token takes microseconds where its layers take milliseconds.
// The host has checked ids and positions.
#include "../core/operation.h"
#include "linear/pack.h"
#include "vectors.h"

namespace warpline::WL_LEVEL {
namespace {

void scale_row(float* row, int64_t width, float scale) {
  each_vector(width, [=](int64_t i, auto lanes) { store(row + i, load(row + i, lanes) * splat(scale), lanes); });
}

void add_row(float* row, const float* other, int64_t width) {
  each_vector(width, [=](int64_t i, auto lanes) {
    store(row + i, load(row + i, lanes) + load(other + i, lanes), lanes);
  });
}

int32_t run(const wl_command& command, const Context& context) {
  const wl_embed& e = command.embed;
  const int64_t width = e.table.inputs;
  const Range tokens = context.share(rows_of(command, *context.step));
  for (int64_t t = tokens.first; t < tokens.last; t++) {
    float* row = e.out + t * width;
    if (e.ids[t] == -1 && e.rows) {
      memcpy(row, e.rows + t * width, static_cast<size_t>(width) * sizeof(float));
    } else {
      unpack_row(e.table, int64_t{e.ids[t]} + e.id_offset, row);
    }
    if (e.scale != 1) scale_row(row, width, e.scale);
    if (e.positions) add_row(row, e.position_table + (int64_t{e.positions[t]} + e.position_offset) * width, width);
  }
  return WL_OK;
}

}  // namespace

extern const Operation kEmbed;
const Operation kEmbed = {run, nullptr};

}  // namespace warpline::WL_LEVEL
