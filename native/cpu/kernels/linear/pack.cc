// Packs rows of weights into panels (panel.h), converting and quantising on the way. Bound by reading the rows and
// writing the panels, but for the grouped types, whose search for the best scales costs 100 operations a weight.
//
// A strip of kWidth outputs, lanes beside one another in a panel, goes together: some of its inputs are read into a tile
// of one vector an input (strip.h), and from there everything is done in all lanes at once.
#include "pack.h"

#include "quantise.h"
#include "strip.h"

namespace warpline::WL_LEVEL {
namespace {

// Lanes lane .. lane + lanes of a panel. What is stored for them lies together at each step.
struct Strip {
  uint8_t* panel;
  int lane;
  int lanes;

  // Lanes beyond the strip's are another call's to write.
  template <class T>
  void put(int64_t offset, const T* values) const {
    T* out = reinterpret_cast<T*>(panel + offset) + lane;
    if (lanes == kWidth) memcpy(out, values, sizeof(T) * kWidth);
    else memcpy(out, values, sizeof(T) * static_cast<size_t>(lanes));
  }
};

WL_INLINE void put_float(const Strip& strip, int64_t offset, vf v) {
  float lanes[kWidth];
  store(lanes, v);
  strip.put(offset, lanes);
}

void pack_f32(const Format& f, const Strip& strip, int64_t k, const float* tile, int64_t count) {
  for (int64_t i = 0; i < count; i++) strip.put(step_offset(f, k + i), tile + i * kWidth);
}

void pack_f16(const Format& f, const Strip& strip, int64_t k, const float* tile, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint16_t halves[kWidth];
    store_f16(halves, load(tile + i * kWidth));
    strip.put(step_offset(f, k + i), halves);
  }
}

void pack_bf16(const Format& f, const Strip& strip, int64_t k, const float* tile, int64_t count) {
  for (int64_t i = 0; i < count; i += 2) {
    uint16_t low[kWidth], high[kWidth];
    store_bf16(low, load(tile + i * kWidth));
    store_bf16(high, load(tile + (i + 1) * kWidth));
    uint32_t words[kWidth];
    for (int lane = 0; lane < kWidth; lane++) words[lane] = low[lane] | static_cast<uint32_t>(high[lane]) << 16;
    strip.put(step_offset(f, k + i), words);
  }
}

// Codes of `count` inputs from k, whole steps, with the format's offset.
void put_codes(const Format& f, const Strip& strip, int64_t k, const float* tile, int64_t count, vf scale,
               CodeRange range) {
  const vf inverse = inverse_of(scale);
  const vi offset = splat_int(f.offset);
  const auto code = [&](int64_t i) { return round_int(codes_of(load(tile + i * kWidth), inverse, range)) + offset; };
  for (int64_t i = 0; i < count; i += f.inputs_per_step) {
    vi words = code(i) | code(i + 1) << 8 | code(i + 2) << 16 | code(i + 3) << 24;
    if (f.inputs_per_step == 8) {
      words |= code(i + 4) << 4 | code(i + 5) << 12 | code(i + 6) << 20 | code(i + 7) << 28;
    }
    uint32_t lanes[kWidth];
    memcpy(lanes, &words, sizeof lanes);
    strip.put(step_offset(f, k + i), lanes);
  }
}

void pack_group(const Format& f, const Strip& strip, int64_t k, const float* tile) {
  const Group group{tile, f.group};
  const bool four = f.inputs_per_step == 8;
  const vf scale = four ? int4_scale(group) : int8_scale(group);
  uint16_t halves[kWidth];
  store_bf16(halves, scale);
  strip.put(k / f.group * group_bytes(f), halves);
  put_codes(f, strip, k, tile, f.group, scale, four ? kInt4Range : kInt8Range);
}

// Inputs of a tile: a whole group where there are groups.
WL_INLINE int64_t tile_inputs(const Format& f) { return f.group ? f.group : kMostInputs; }

vf channel_scale(const StripRows& rows, int64_t inputs, float* tile) {
  vf most = splat(0);
  for (int64_t k = 0; k < inputs; k += kMostInputs) {
    const int64_t count = inputs - k < kMostInputs ? inputs - k : kMostInputs;
    read_tile(rows, k, count, count, tile);
    most = max(largest_magnitude({tile, static_cast<int>(count)}), most);
  }
  return most / splat(127);
}

void pack_strip(const wl_matrix& m, const Format& f, const Strip& strip, const StripRows& rows) {
  alignas(64) float tile[kMostInputs * kWidth];
  vf scale = splat(0);
  if (m.storage == WL_INT8) {
    scale = channel_scale(rows, m.inputs, tile);
    put_float(strip, 0, scale);
  }
  const int64_t unit = f.group ? f.group : f.inputs_per_step;
  for (int64_t k = 0; k < m.inputs; k += tile_inputs(f)) {
    const int64_t count = m.inputs - k < tile_inputs(f) ? m.inputs - k : tile_inputs(f);
    const int64_t padded = divide_up(count, unit) * unit;
    read_tile(rows, k, count, padded, tile);
    switch (m.storage) {
      case WL_F32: pack_f32(f, strip, k, tile, padded); break;
      case WL_BF16: pack_bf16(f, strip, k, tile, padded); break;
      case WL_F16: pack_f16(f, strip, k, tile, padded); break;
      case WL_INT8: put_codes(f, strip, k, tile, padded, scale, kInt8Range); break;
      default: pack_group(f, strip, k, tile);
    }
  }
}

// Outputs from `output` on that are neighbouring lanes of one vector.
int64_t lanes_from(const wl_matrix& m, int64_t output, const Place& place) {
  const int64_t of_vector = kWidth - place.lane % kWidth;
  const int64_t half = m.outputs / 2;
  const int64_t of_half = m.gated && output < half ? half - output : of_vector;
  return of_half < of_vector ? of_half : of_vector;
}

}  // namespace

size_t packed_bytes(const wl_matrix& m) {
  if (m.storage < 0 || m.storage >= WL_STORAGES || m.outputs <= 0 || m.inputs <= 0) return 0;
  if (m.gated && m.outputs % 2 != 0) return 0;
  return static_cast<size_t>(panel_count(m) * panel_bytes(kFormats[m.storage], m.inputs));
}

int32_t pack(const wl_matrix& m, int64_t first, int64_t count, const wl_rows& rows) {
  const Format& f = kFormats[m.storage];
  uint8_t* data = static_cast<uint8_t*>(const_cast<void*>(m.data));
  for (int64_t done = 0; done < count;) {
    const Place place = place_of(m, first + done);
    const int64_t together = lanes_from(m, first + done, place);
    const int lanes = static_cast<int>(together < count - done ? together : count - done);
    const Strip strip{data + place.panel * panel_bytes(f, m.inputs), place.lane, lanes};
    pack_strip(m, f, strip, {&rows, done, lanes});
    done += lanes;
  }
  return WL_OK;
}

}  // namespace warpline::WL_LEVEL
