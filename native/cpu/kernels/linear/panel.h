// The packed layout of a weight matrix W [outputs, inputs], the same for one row of x as for a thousand.
//
// A panel holds kColumns outputs side by side, the lanes of two vectors, so that y accumulates in lanes: each output
// has one accumulator and one order of summation, ascending k, whatever the number of rows. Panels follow one another,
// and a panel is read front to back. Its unit is a step: a 32-bit word for each column (16 bits for F16), holding
//
//   F32        1 k   f32
//   F16        1 k   f16
//   BF16       2 k   low half k, high half k + 1
//   INT8       4 k   byte j: code k + j, unsigned with offset 128
//   INT4       8 k   byte j: low nibble code k + j, high nibble k + 4 + j, unsigned with offset 8
//
// Scales: INT8 begins each panel with kColumns f32; the grouped types begin each group with kColumns bf16. Codes are
// unsigned since the dot-product instruction (vpdpbusd) multiplies unsigned by signed bytes; the offset's part of the
// sum, offset * sum of x's codes, is known when x is quantised. Inputs are padded with zeros to whole steps or groups.
//
// Gated matrices: panel 2p holds outputs of the gate, panel 2p + 1 the matching outputs of the up-projection.
#ifndef WARPLINE_PANEL_H
#define WARPLINE_PANEL_H

#include "../../abi.h"
#include "../../simd/simd.h"

namespace warpline::WL_LEVEL {

constexpr int kColumns = 2 * kWidth;

struct Format {
  int inputs_per_step;
  int bytes_per_step;  // of one column
  int group;           // inputs a scale; 0: none within the panel
  int panel_scale;     // bytes of a column's scale at the panel's start
  int offset;          // of unsigned codes
};

constexpr Format kFormats[WL_STORAGES] = {
    {1, 4, 0, 0, 0},     // F32
    {2, 4, 0, 0, 0},     // BF16
    {1, 2, 0, 0, 0},     // F16
    {4, 4, 0, 4, 128},   // INT8
    {4, 4, 32, 0, 128},  // INT8_G32
    {8, 4, 32, 0, 8},    // INT4_G32
    {8, 4, 128, 0, 8},   // INT4_G128
};

constexpr int kGroupScaleBytes = 2;

WL_INLINE constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Bytes from one group of a panel to the next.
WL_INLINE constexpr int64_t group_bytes(const Format& f) {
  return kColumns * (kGroupScaleBytes + static_cast<int64_t>(f.group / f.inputs_per_step) * f.bytes_per_step);
}

WL_INLINE constexpr int64_t panel_bytes(const Format& f, int64_t inputs) {
  if (f.group) return divide_up(inputs, f.group) * group_bytes(f);
  return kColumns * (f.panel_scale + divide_up(inputs, f.inputs_per_step) * f.bytes_per_step);
}

// Where the step that holds input k begins within its panel.
WL_INLINE constexpr int64_t step_offset(const Format& f, int64_t k) {
  if (!f.group) return kColumns * (f.panel_scale + k / f.inputs_per_step * f.bytes_per_step);
  const int64_t steps = k % f.group / f.inputs_per_step;
  return k / f.group * group_bytes(f) + kColumns * (kGroupScaleBytes + steps * f.bytes_per_step);
}

WL_INLINE int64_t panel_count(const wl_matrix& m) {
  return m.gated ? 2 * divide_up(m.outputs / 2, kColumns) : divide_up(m.outputs, kColumns);
}

struct Place {
  int64_t panel;
  int lane;
};

WL_INLINE Place place_of(const wl_matrix& m, int64_t output) {
  if (!m.gated) return {output / kColumns, static_cast<int>(output % kColumns)};
  const int64_t half = m.outputs / 2;
  const int64_t upper = output >= half;
  const int64_t column = output - upper * half;
  return {2 * (column / kColumns) + upper, static_cast<int>(column % kColumns)};
}

}  // namespace warpline::WL_LEVEL
#endif
