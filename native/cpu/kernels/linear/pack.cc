// Packs rows of f32 weights into panels (panel.h), quantising on the way, and unpacks them again.
#include "pack.h"

#include "quantise.h"

namespace warpline::WL_LEVEL {
namespace {

constexpr int kMostInputs = 128;  // of a group

// One output's words within its panel: word i of step s.
struct Column {
  uint8_t* panel;
  int lane;

  uint8_t* word(const Format& f, int64_t k) const { return panel + step_offset(f, k) + lane * f.bytes_per_step; }
  uint16_t* group_scale(const Format& f, int64_t k) const {
    return reinterpret_cast<uint16_t*>(panel + k / f.group * group_bytes(f)) + lane;
  }
  float* panel_scale() const { return reinterpret_cast<float*>(panel) + lane; }
};

Column column_of(const wl_matrix& m, const Format& f, int64_t output) {
  const Place place = place_of(m, output);
  uint8_t* data = static_cast<uint8_t*>(const_cast<void*>(m.data));
  return {data + place.panel * panel_bytes(f, m.inputs), place.lane};
}

void pack_f32(const Format& f, const Column& column, const float* row, int64_t inputs) {
  for (int64_t k = 0; k < inputs; k++) memcpy(column.word(f, k), row + k, 4);
}

void pack_f16(const Format& f, const Column& column, const float* row, int64_t inputs) {
  for (int64_t k = 0; k < inputs; k += kWidth) {
    const int64_t count = inputs - k < kWidth ? inputs - k : kWidth;
    uint16_t halves[kWidth];
    store_f16(halves, load_first(row + k, count));
    for (int64_t i = 0; i < count; i++) memcpy(column.word(f, k + i), halves + i, 2);
  }
}

void pack_bf16(const Format& f, const Column& column, const float* row, int64_t inputs) {
  for (int64_t k = 0; k < inputs; k += kWidth) {
    const int64_t count = inputs - k < kWidth ? inputs - k : kWidth;
    uint16_t halves[kWidth];
    store_bf16(halves, load_first(row + k, count));
    for (int64_t i = 0; i < count; i += 2) memcpy(column.word(f, k + i), halves + i, 4);
  }
}

// Codes of `count` inputs from k, a multiple of the step, with the format's offset.
void store_codes(const Format& f, const Column& column, int64_t k, const int32_t* codes, int count) {
  for (int i = 0; i < count; i += f.inputs_per_step) {
    uint8_t* word = column.word(f, k + i);
    for (int j = 0; j < 4; j++) {
      const int low = codes[i + j] + f.offset;
      const int high = f.inputs_per_step == 8 ? codes[i + 4 + j] + f.offset : 0;
      word[j] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

void quantise(const Group& g, float scale, CodeRange range, int32_t* codes) {
  const vf inverse = inverse_of(splat(scale));
  for (int i = 0; i < g.count; i += kWidth) {
    const vi q = round_int(codes_of(load(g.weights + i), inverse, range));
    memcpy(codes + i, &q, sizeof q);
  }
}

void pack_groups(const Format& f, const Column& column, const float* row, int64_t inputs) {
  const bool four = f.inputs_per_step == 8;
  for (int64_t k = 0; k < inputs; k += f.group) {
    float weights[kMostInputs] = {};
    int32_t codes[kMostInputs];
    const int64_t left = inputs - k;
    memcpy(weights, row + k, static_cast<size_t>(left < f.group ? left : f.group) * 4);
    const Group group{weights, f.group};
    const float scale = four ? int4_scale(group) : int8_scale(group);
    quantise(group, scale, four ? kInt4Range : kInt8Range, codes);
    store_bf16_first(column.group_scale(f, k), splat(scale), 1);
    store_codes(f, column, k, codes, f.group);
  }
}

float largest_magnitude(const float* row, int64_t inputs) {
  vf most = splat(0);
  for (int64_t k = 0; k < inputs; k += kWidth) {
    most = max(abs(load_first(row + k, inputs - k < kWidth ? inputs - k : kWidth)), most);
  }
  return largest(most);
}

void pack_channel(const Format& f, const Column& column, const float* row, int64_t inputs) {
  const float scale = largest_magnitude(row, inputs) / 127;
  *column.panel_scale() = scale;
  for (int64_t k = 0; k < inputs; k += kMostInputs) {
    float weights[kMostInputs] = {};
    int32_t codes[kMostInputs];
    const int64_t count = inputs - k < kMostInputs ? inputs - k : kMostInputs;
    memcpy(weights, row + k, static_cast<size_t>(count) * 4);
    quantise({weights, kMostInputs}, scale, kInt8Range, codes);
    store_codes(f, column, k, codes, static_cast<int>(divide_up(count, 4) * 4));
  }
}

void pack_row(const wl_matrix& m, const Format& f, const Column& column, const float* row) {
  switch (m.storage) {
    case WL_F32:
      return pack_f32(f, column, row, m.inputs);
    case WL_BF16:
      return pack_bf16(f, column, row, m.inputs);
    case WL_F16:
      return pack_f16(f, column, row, m.inputs);
    case WL_INT8:
      return pack_channel(f, column, row, m.inputs);
    default:
      return pack_groups(f, column, row, m.inputs);
  }
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

size_t packed_bytes(const wl_matrix& m) {
  if (m.storage < 0 || m.storage >= WL_STORAGES || m.outputs <= 0 || m.inputs <= 0) return 0;
  if (m.gated && m.outputs % 2 != 0) return 0;
  return static_cast<size_t>(panel_count(m) * panel_bytes(kFormats[m.storage], m.inputs));
}

int32_t pack(const wl_matrix& m, int64_t first, int64_t count, const float* rows) {
  const Format& f = kFormats[m.storage];
  for (int64_t i = 0; i < count; i++) pack_row(m, f, column_of(m, f, first + i), rows + i * m.inputs);
  return WL_OK;
}

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
