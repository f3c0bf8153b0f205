#include "expand.h"

namespace warpline::WL_LEVEL {
namespace {

WL_INLINE vi words_at(const uint8_t* at) {
  vi words;
  memcpy(&words, at, sizeof words);
  return words;
}

// One vector of columns, `steps` steps of codes under one scale.
template <int Storage>
WL_INLINE void expand_codes(const uint8_t* step, int64_t steps, vf scale, float* out) {
  constexpr Format f = kFormats[Storage];
  constexpr bool kFour = f.inputs_per_step == 8;
  const vf offset = splat(static_cast<float>(f.offset));
  for (int64_t s = 0; s < steps; s++, step += 4 * kColumns, out += f.inputs_per_step * kColumns) {
    const vi words = words_at(step);
    for (int i = 0; i < f.inputs_per_step; i++) {
      const vi shifted = words >> (8 * (i % 4) + 4 * (i / 4));
      store(out + i * kColumns, (to_float(shifted & splat_int(kFour ? 15 : 255)) - offset) * scale);
    }
  }
}

template <int Storage>
WL_INLINE void expand_groups(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  constexpr Format f = kFormats[Storage];
  const uint8_t* group = panel + first / f.group * group_bytes(f);
  for (int64_t k = 0; k < inputs; k += f.group, group += group_bytes(f), out += f.group * kColumns) {
    const uint8_t* steps = group + kColumns * kGroupScaleBytes;
    for (int half = 0; half < 2; half++) {
      const vf scale = load_bf16(reinterpret_cast<const uint16_t*>(group) + half * kWidth);
      expand_codes<Storage>(steps + half * 4 * kWidth, f.group / f.inputs_per_step, scale, out + half * kWidth);
    }
  }
}

}  // namespace

void expand_bf16(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  const uint8_t* step = panel + step_offset(kFormats[WL_BF16], first);
  for (int64_t k = 0; k < inputs; k += 2, step += 4 * kColumns, out += 2 * kColumns) {
    for (int half = 0; half < 2; half++) {
      const vi pairs = words_at(step + half * 4 * kWidth);
      store(out + half * kWidth, as_float(pairs << 16));
      store(out + half * kWidth + kColumns, as_float(pairs & splat_int(-65536)));
    }
  }
}

void expand_f16(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  const uint8_t* step = panel + step_offset(kFormats[WL_F16], first);
  for (int64_t i = 0; i < 2 * inputs; i++) {
    store(out + i * kWidth, load_f16(reinterpret_cast<const uint16_t*>(step) + i * kWidth));
  }
}

void expand_int8(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  const uint8_t* step = panel + step_offset(kFormats[WL_INT8], first);
  for (int half = 0; half < 2; half++) {
    expand_codes<WL_INT8>(step + half * 4 * kWidth, divide_up(inputs, 4), splat(1), out + half * kWidth);
  }
}

void expand_int8_g32(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  expand_groups<WL_INT8_G32>(panel, first, inputs, out);
}
void expand_int4_g32(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  expand_groups<WL_INT4_G32>(panel, first, inputs, out);
}
void expand_int4_g128(const uint8_t* panel, int64_t first, int64_t inputs, float* out) {
  expand_groups<WL_INT4_G128>(panel, first, inputs, out);
}

}  // namespace warpline::WL_LEVEL
