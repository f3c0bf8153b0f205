// Reads packed weights back as f32: embedding tables that double as the head, and tests.
#include "pack.h"

namespace warpline::WL_LEVEL {
namespace {

// One output's words within its panel: word i of step s.
struct Column {
  const uint8_t* panel;
  int lane;

  const uint8_t* word(const Format& f, int64_t k) const { return panel + step_offset(f, k) + lane * f.bytes_per_step; }
  const uint16_t* group_scale(const Format& f, int64_t k) const {
    return reinterpret_cast<const uint16_t*>(panel + k / f.group * group_bytes(f)) + lane;
  }
  const float* panel_scale() const { return reinterpret_cast<const float*>(panel) + lane; }
};

Column column_of(const wl_matrix& m, const Format& f, int64_t output) {
  const Place place = place_of(m, output);
  const uint8_t* data = static_cast<const uint8_t*>(m.data);
  return {data + place.panel * panel_bytes(f, m.inputs), place.lane};
}

float widen(const uint16_t* half, bool brain) {
  float lanes[kWidth];
  store(lanes, brain ? load_bf16_first(half, 1) : load_f16_first(half, 1));
  return lanes[0];
}

float weight_at(const wl_matrix& m, const Format& f, const Column& column, int64_t k) {
  const uint8_t* word = column.word(f, k);
  const int64_t within = k % f.inputs_per_step;
  uint16_t half[2];
  switch (m.storage) {
    case WL_F32: {
      float value;
      memcpy(&value, word, 4);
      return value;
    }
    case WL_F16:
      memcpy(half, word, 2);
      return widen(half, false);
    case WL_BF16:
      memcpy(half, word, 4);
      return widen(half + within, true);
    default: {
      const int byte = word[within % 4];
      const int code = f.inputs_per_step == 4 ? byte : within < 4 ? byte & 15 : byte >> 4;
      const float scale = f.group ? widen(column.group_scale(f, k), true) : *column.panel_scale();
      return static_cast<float>(code - f.offset) * scale;
    }
  }
}

}  // namespace

void unpack_row(const wl_matrix& m, int64_t output, float* row) {
  const Format& f = kFormats[m.storage];
  const Column column = column_of(m, f, output);
  for (int64_t k = 0; k < m.inputs; k++) row[k] = weight_at(m, f, column, k);
}

int32_t unpack(const wl_matrix& m, int64_t first, int64_t count, float* rows) {
  for (int64_t i = 0; i < count; i++) unpack_row(m, first + i, rows + i * m.inputs);
  return WL_OK;
}

}  // namespace warpline::WL_LEVEL
