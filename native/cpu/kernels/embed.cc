// Embedding: out[t] = scale * table[ids[t] + id_offset] (or a soft prompt's own row) + position_table[...].
//
// Bound by latency: a row of the table lies scattered over its panel, one word in every kColumns. A table is packed as
// a product's weight since tied models use it as both, and a token takes microseconds where its layers take
// milliseconds. The host has checked ids and positions.
#include "../core/operation.h"
#include "linear/pack.h"
#include "vectors.h"

namespace warpline::WL_LEVEL {
namespace {

// unpack_row (linear/pack.h) for the types that need no arithmetic, without its look at every weight.
void read_row(const wl_matrix& table, int64_t id, float* row) {
  const Format& f = kFormats[table.storage];
  const Place place = place_of(table, id);
  const uint8_t* column = static_cast<const uint8_t*>(table.data) + place.panel * panel_bytes(f, table.inputs) +
                          place.lane * f.bytes_per_step;
  const int64_t stride = int64_t{kColumns} * f.bytes_per_step;
  if (table.storage == WL_F32) {
    for (int64_t k = 0; k < table.inputs; k++, column += stride) memcpy(row + k, column, sizeof(float));
  } else if (table.storage == WL_BF16) {
    for (int64_t k = 0; k + 2 <= table.inputs; k += 2, column += stride) {
      uint32_t pair;
      memcpy(&pair, column, sizeof pair);
      const uint32_t wide[2] = {pair << 16, pair & 0xffff0000};
      memcpy(row + k, wide, sizeof wide);
    }
    if (table.inputs % 2) {
      uint16_t last[2] = {0, 0};
      memcpy(last + 1, column, sizeof last[1]);
      memcpy(row + table.inputs - 1, last, sizeof last);
    }
  } else {
    unpack_row(table, id, row);
  }
}

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
      read_row(e.table, int64_t{e.ids[t]} + e.id_offset, row);
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
